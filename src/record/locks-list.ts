import { lstatSync, readFileSync } from 'node:fs'
import { splitDeviceNumber } from '../host/sysfs.js'

/** A lock of flock(2) in the kernel's list. */
export interface ListedLock {
  /** Device and inode of the file, `00:1a:1234`. */
  readonly name: string
  /** Who took it; it may be held by another process since. */
  readonly pid: number
}

/**
 * Every lock of flock(2) that this PID namespace is shown: `1: FLOCK ADVISORY WRITE 812 00:19:1409 0 EOF` (proc(5)). Who waits
 * for one is not in it: `1: -> FLOCK …`.
 * The kernel takes 8 ms for it, as it has to wait for every CPU (fs/locks.c, locks_start).
 */
export function readLocks(): ListedLock[] {
  return readFileSync('/proc/locks', 'latin1')
    .split('\n')
    .map((line) => line.split(' ').filter((field) => field !== ''))
    .flatMap((fields) =>
      fields[1] === 'FLOCK' ? [{ name: fields.at(-3) ?? '', pid: Number(fields.at(-4)) }] : [],
    )
}

/** Device and inode of a file as the kernel writes them in /proc/locks, `00:1a:1234`; null when it is gone. */
export function lockNameOf(path: string): string | null {
  try {
    const stat = lstatSync(path, { throwIfNoEntry: false })
    return stat === undefined ? null : lockName(stat.dev, stat.ino)
  } catch {
    return null
  }
}

/** fs/locks.c, lock_get_status. */
function lockName(device: number, inode: number): string {
  const { major, minor } = splitDeviceNumber(device)
  const hex = (number: number) => number.toString(16).padStart(2, '0')
  return `${hex(major)}:${hex(minor)}:${inode}`
}
