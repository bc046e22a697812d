// Makes packages of this checkout: npm run package [-- deb] [rpm] [sbom] [--out DIR]. Two runs on one commit give the same bytes.
// What is in them is what `install.sh --package` puts into a directory; nothing is listed here again.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { makeDeb } from './deb.mjs'
import { makeRpm } from './rpm.mjs'
import { makeSbom } from './sbom.mjs'
import { describePackage, stage } from './stage.mjs'

const KINDS = { deb: makeDeb, rpm: makeRpm, sbom: makeSbom }

const { values, positionals } = parseArgs({
  options: { out: { type: 'string', default: 'packages' } },
  allowPositionals: true,
})
const kinds = positionals.length === 0 ? Object.keys(KINDS) : positionals
const unknown = kinds.find((kind) => !Object.hasOwn(KINDS, kind))
if (unknown !== undefined) {
  console.error(
    `package: '${unknown}' is none of ${Object.keys(KINDS).join(', ')}; name some of these, or none for all`,
  )
  process.exit(64)
}

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
process.umask(0o022)
const out = resolve(values.out)
try {
  // Not recursive: below /proc Node 20 tries for ever.
  mkdirSync(out)
} catch (error) {
  if (error.code !== 'EEXIST') {
    console.error(`package: ${out} cannot be made (${error.code}); name a directory that is there: --out DIR`)
    process.exit(69)
  }
}
const scratch = mkdtempSync(join(tmpdir(), 'qemu-rt-package-'))
try {
  const about = describePackage()
  const staged = stage(scratch, about)
  for (const kind of kinds) console.log(KINDS[kind]({ about, staged, scratch, out }))
} catch (error) {
  console.error(`package: ${error.message}`)
  process.exitCode = 70
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
