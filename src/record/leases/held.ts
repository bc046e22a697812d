import { closeSync, constants, lstatSync, openSync } from 'node:fs'
import { isInitialPidNamespace, isSameProcess, ownerOf, pidNamespace } from '../../host/process.js'
import { lock } from '../lock.js'
import { lockNameOf, readLocks } from '../locks-list.js'
import type { ProcessId } from '../vm.js'
import { readLeaseFile } from './lease-file.js'

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
const MOST_TRIES = 200

/**
 * How many locks are tried before the kernel's list is asked. A try takes 3 ms, as it starts flock(1); the list takes 8 to
 * 12 ms, however long it is. A launch mostly finds the lease of one VM that has ended.
 */
const TRIES_BEFORE_LIST = 2

/**
 * Makes the check of whether a lease is held: as long as its file is locked. That is found out by trying the lock, since
 * it holds whatever PID namespace QEMU is in. Two things show sooner that it is held, and neither that it is not: that the
 * process lives that took it, of its directory's own user; and the kernel's list of locks, which outside of the initial PID
 * namespace has some of them only (fs/locks.c, locks_show).
 */
export function makeHeldCheck(): (lease: LeasePath, process: ProcessId | null) => boolean {
  let listed: ReadonlySet<string> | null = null
  let tries = 0
  return (lease, process) => {
    if (process !== null && isAlive(process, lease.user)) return true
    const path = pathOf(lease)
    const tried = tries++ < TRIES_BEFORE_LIST ? tryLock(path) : null
    if (tried === null && isListedOrLocked(path)) return true
    return tried === 'held' || isAboutToLock(path)
  }
  function isListedOrLocked(path: string): boolean {
    listed ??= new Set(readLocks().map(({ name }) => name))
    if (listed.has(lockNameOf(path) ?? '')) return true
    // In the initial PID namespace the list has every lock of this host, so that none needs to be tried.
    if (isInitialPidNamespace()) return false
    // One that this user may not open may be locked.
    return tries > MOST_TRIES || (tryLock(path) ?? 'held') === 'held'
  }
}

/** The launcher takes the lock a moment after its lease was written, when it becomes flock(1). */
const MOMENT_MS = 3000

/** Whether it is a lease of a launcher that cannot be seen from here, because another PID namespace counts it. */
function isAboutToLock(path: string): boolean {
  const written = writtenAt(path)
  if (Date.now() - written >= MOMENT_MS) return false
  const namespace = readLeaseFile(path)?.process?.namespace ?? null
  return namespace !== null && namespace !== pidNamespace()
}

function writtenAt(path: string): number {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
  } catch {
    return 0
  }
}

/** Another user's process holds nothing by being named: it would be named for as long as it lives. */
export function isAlive(process: ProcessId, user: number): boolean {
  return isSameProcess(process) && (user === 0 || ownerOf(process.pid) === user)
}

/** @returns null for a file that this user may not open */
function tryLock(path: string): 'held' | 'free' | null {
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EACCES' ? null : 'free'
  }
  try {
    // Shared, so that two who try do not take each other for the holder.
    return lock(file, 'shared', 0) ? 'free' : 'held'
  } finally {
    closeSync(file)
  }
}
