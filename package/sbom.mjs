// The list of the libraries in the program, as CycloneDX: npm's own, which is there since npm 10.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execaSync } from 'execa'

export function makeSbom({ about, scratch, out }) {
  const { version, epoch } = about
  const cwd = join(scratch, 'sbom')
  mkdirSync(cwd)
  writeProduction(cwd)
  const bom = JSON.parse(
    execaSync('npm', ['sbom', '--package-lock-only', '--sbom-format', 'cyclonedx'], { cwd }).stdout,
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

/**
 * Writes what npm reads, without what only development needs. `--omit dev` leaves out what both need, too (npm 12.2).
 * Of the runtimes it keeps this machine's.
 */
function writeProduction(directory) {
  const { devDependencies: _, ...manifest } = JSON.parse(readFileSync('package.json', 'utf8'))
  const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'))
  const isKept = ({ dev, devOptional, cpu }) =>
    dev !== true && devOptional !== true && (cpu?.includes(process.arch) ?? true)
  const { '': root, ...packages } = Object.fromEntries(
    Object.entries(lock.packages).filter(([, one]) => isKept(one)),
  )
  delete root.devDependencies
  const write = (name, content) => writeFileSync(join(directory, name), JSON.stringify(content))
  write('package.json', manifest)
  write('package-lock.json', { ...lock, packages: { '': root, ...packages } })
}
