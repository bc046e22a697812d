import type { Installed } from '../../e2e/libvirtd.js'

/** Without the planner, which takes longest and is read by nobody else. */
const FILES =
  'find "$@" -xdev -type f -size -2M -exec sha256sum {} +; find "$@" -xdev ! -type f -printf "%p %m %U %l\\n"'

/** What is in root's files that others' attacks aim at, a line each. */
export async function rootsFiles({ run }: Installed): Promise<readonly string[]> {
  const { stdout } = await run('sh', '-c', FILES, 'sh', '/etc', '/usr/local/bin', '/usr/local/lib/qemu-rt')
  return stdout.split('\n')
}

/** What of root's files is not as it was. */
export async function changedFiles(installed: Installed, before: readonly string[]): Promise<string[]> {
  const known = new Set(before)
  const after = await rootsFiles(installed)
  const gone = before.filter((line) => !after.includes(line)).map((line) => `gone: ${line}`)
  return [...after.filter((line) => !known.has(line)), ...gone]
}
