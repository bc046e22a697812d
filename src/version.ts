/** The version that `--version` prints; package.json has the same. */
export const VERSION = '0.1.0'

/** The commit that it was built from, which build.mjs fills in. */
declare const QEMU_RT_BUILD: string

/** What `--version` prints: the version, what it was built from, and what runs it. */
export function versionText(): string {
  const build = typeof QEMU_RT_BUILD === 'undefined' ? 'none' : QEMU_RT_BUILD
  const { bun, node } = process.versions
  return `qemu-rt ${VERSION} (build ${build}, ${bun === undefined ? `Node ${node}` : `Bun ${bun}`})`
}
