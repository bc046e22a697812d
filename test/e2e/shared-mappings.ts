import { readFileSync } from 'node:fs'

/** Memory of a process that others with its descriptor can map, too. */
export interface SharedMapping {
  /** Device and inode: the same in each process that has mapped it. */
  readonly file: string
  readonly mebibytes: number
}

/**
 * Mappings of files in memory that a process shares (proc_pid_maps(5)): memfd, /dev/shm and huge pages. One that the process
 * has in pieces is one, of the sizes' sum.
 */
export function sharedMappings(pid: number): SharedMapping[] {
  const sizes = new Map<string, number>()
  for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
    const [, from = '', to = '', device, inode] =
      /^(\w+)-(\w+) rw-s \w+ (\S+) (\d+) +(?:\/memfd:|\/dev\/shm\/|\/dev\/hugepages\/)/.exec(line) ?? []
    if (device === undefined) continue
    const file = `${device} ${inode}`
    const size = (Number.parseInt(to, 16) - Number.parseInt(from, 16)) / 2 ** 20
    sizes.set(file, (sizes.get(file) ?? 0) + size)
  }
  return [...sizes].map(([file, mebibytes]) => ({ file, mebibytes }))
}
