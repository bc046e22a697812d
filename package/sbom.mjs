// The list of the libraries in the program, as CycloneDX: npm's own, which is there since npm 10.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execaSync } from 'execa'

export function makeSbom({ about, out }) {
  const { version, epoch } = about
  const bom = JSON.parse(execaSync('npm', ['sbom', '--omit', 'dev', '--sbom-format', 'cyclonedx']).stdout)
  // Two runs give the same.
  delete bom.serialNumber
  bom.metadata.timestamp = new Date(epoch * 1000).toISOString()
  // npm calls it by the name of the directory.
  bom.metadata.component.name = 'qemu-rt'
  const file = join(out, `qemu-rt_${version}.cdx.json`)
  writeFileSync(file, `${JSON.stringify(bom, null, 2)}\n`)
  return file
}
