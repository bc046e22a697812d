import { closeSync, constants, lstatSync, openSync, readFileSync } from 'node:fs'
import { isSameProcess, ownerOf, pidNamespace } from '../../host/process.js'
import { lock } from '../lock.js'
import type { ProcessId } from '../vm.js'
import { lockNameOf, readLeaseFile } from './lease-file.js'

/** A lease file, and whose directory it is in. */
export interface LeasePath {
  readonly user: number
  readonly directory: string
  readonly name: string
}

export function pathOf({ directory, name }: LeasePath): string {
  return `${directory}/${name}`
}

/**
 * How many locks are tried at most. Beyond that a lease counts as held: nobody has shown that it is not, and who leaves so
 * many might as well hold them.
 */
const MOST_TRIES = 1000

/**
 * Makes the check of whether a lease is held: as long as its file is locked. That is found out by trying the lock, since
 * it holds whatever PID namespace QEMU is in. Two things show sooner that it is held, and neither that it is not: that the
 * process lives that took it, of its directory's own user; and the kernel's list of locks, which has those of this PID
 * namespace (fs/locks.c, locks_show).
 */
export function makeHeldCheck(): (lease: LeasePath, process: ProcessId | null) => boolean {
  let listed: ReadonlySet<string> | null = null
  let tries = 0
  return (lease, process) => {
    if (process !== null && isAlive(process, lease.user)) return true
    listed ??= readLocks()
    if (listed.has(lockNameOf(pathOf(lease)) ?? '')) return true
    return ++tries > MOST_TRIES || isLocked(pathOf(lease)) || isAboutToLock(pathOf(lease))
  }
}

/** The launcher takes the lock a moment after its lease was written, when it becomes flock(1). */
const MOMENT_MS = 10_000

/** Whether it is a lease of a launcher that cannot be seen from here, because another PID namespace counts it. */
function isAboutToLock(path: string): boolean {
  const namespace = readLeaseFile(path)?.process?.namespace ?? null
  if (namespace === null || namespace === pidNamespace()) return false
  const written = lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
  return Date.now() - written < MOMENT_MS
}

/** Another user's process holds nothing by being named: it would be named for as long as it lives. */
export function isAlive(process: ProcessId, user: number): boolean {
  return isSameProcess(process) && (user === 0 || ownerOf(process.pid) === user)
}

function isLocked(path: string): boolean {
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    // One that this user may not open may be locked.
    return (error as NodeJS.ErrnoException).code === 'EACCES'
  }
  try {
    // Shared, so that two who try do not take each other for the holder.
    return !lock(file, 'shared', 0)
  } finally {
    closeSync(file)
  }
}

/**
 * Device and inode of every locked file: `1: FLOCK ADVISORY WRITE 812 00:19:1409 0 EOF` (proc(5)).
 * The kernel takes 8 ms for it, as it has to wait for every CPU (fs/locks.c, locks_start).
 */
function readLocks(): Set<string> {
  const fields = readFileSync('/proc/locks', 'latin1')
    .split('\n')
    .map((line) => line.split(' ').filter((field) => field !== ''))
  return new Set(fields.flatMap((line) => (line.includes('FLOCK') ? (line.at(-3) ?? []) : [])))
}
