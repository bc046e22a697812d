// The list of the libraries in the program, as CycloneDX: npm's own, which is there since npm 10.
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

export function makeSbom({ about, out }) {
  const { version, epoch } = about
  const bom = JSON.parse(
    execFileSync('npm', ['sbom', '--omit', 'dev', '--sbom-format', 'cyclonedx'], {
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    }),
  )
  // Two runs give the same.
  delete bom.serialNumber
  bom.metadata.timestamp = new Date(epoch * 1000).toISOString()
  // npm calls it by the name of the directory.
  bom.metadata.component.name = 'qemu-rt'
  const file = join(out, `qemu-rt_${version}.cdx.json`)
  writeFileSync(file, `${JSON.stringify(bom, null, 2)}\n`)
  return file
}
