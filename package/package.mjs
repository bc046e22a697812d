// Makes packages of this checkout: npm run package [-- deb] [rpm] [sbom] [--out DIR]. Two runs on one commit give the same bytes.
// What is in them is what `install.sh --package` puts into a directory; nothing is listed here again.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Argument, Command, InvalidArgumentError, Option } from 'commander'
import { makeDeb } from './deb.mjs'
import { makeRpm } from './rpm.mjs'
import { makeSbom } from './sbom.mjs'
import { describePackage, stage } from './stage.mjs'

const KINDS = { deb: makeDeb, rpm: makeRpm, sbom: makeSbom }

const { kinds, directory } = readArguments()

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
process.umask(0o022)
const out = resolve(directory)
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
  console.error(`package: ${error.originalMessage || error.shortMessage || error.message}`)
  process.exitCode = 70
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

/** Reads the command line; one that is wrong, and --help, end this program. */
function readArguments() {
  const program = new Command('npm run package --')
    .description('Makes packages of this checkout, each kind that is named, or all.')
    .addArgument(new Argument('[kind...]', Object.keys(KINDS).join(', ')).argParser(readKind))
    .addOption(
      new Option('--out <directory>', 'where they are put').default('packages').argParser(readDirectory),
    )
    .configureOutput({ writeErr: () => {} })
    .exitOverride()
  try {
    program.parse()
  } catch (error) {
    if (error.exitCode === 0) process.exit(0)
    console.error(
      `package: ${error.message.replace(/^error: /, '').replaceAll('\n', ' ')}; see npm run package -- --help`,
    )
    process.exit(64)
  }
  const [kinds = []] = program.processedArgs
  return { kinds: kinds.length === 0 ? Object.keys(KINDS) : kinds, directory: program.opts().out }
}

function readKind(kind, before = []) {
  if (!Object.hasOwn(KINDS, kind))
    throw new InvalidArgumentError(`It is none of ${Object.keys(KINDS).join(', ')}`)
  return [...before, kind]
}

/** What starts with a dash is the next option. */
function readDirectory(directory) {
  if (directory === '' || directory.startsWith('-')) throw new InvalidArgumentError('A directory is missing')
  return directory
}
