import { closeSync, openSync, statSync } from 'node:fs'
import { type Kept, leaseDirectoryDenied, leasesBusy } from '../../errors/leases.js'
import { isInitialPidNamespace } from '../../host/process.js'
import { errorCode, listDirectory } from '../../host/sysfs.js'
import { lock } from '../lock.js'
import { lockNameOf, readLocks } from '../locks-list.js'

/**
 * How long one process may hold the lock. Whoever may open the directory can hold it. A launch needs it for milliseconds; beside
 * hundreds of others on two slow CPUs, one was seen to keep it for more than 8 seconds.
 */
const PATIENCE_SECONDS = 60
const FIRST_SECONDS = 4

/** How long all launches of a host that start at once may take their turns. */
const MOST_SECONDS = 600

/**
 * Runs something while no other launch changes the leases.
 * @param directory what is locked; users' own directories are in it
 * @throws {UserError} exit 69 when the lock cannot be had, 77 when the directory cannot be opened
 */
export function withLeasesLock<T>(directory: string, run: () => T): T {
  const file = open(directory)
  try {
    const kept = wait(file, directory)
    if (kept !== null) throw leasesBusy({ directory, ...kept })
    return run()
  } finally {
    closeSync(file)
  }
}

/**
 * Waits on while the lock changes hands: then its turn comes.
 * @returns null when it is had; else for how long it was not, and whether one process kept it
 */
function wait(file: number, directory: string): Kept | null {
  // Most launches get it at once, and need not see whose turn it is.
  if (lock(file, 'exclusive', FIRST_SECONDS)) return null
  const deadline = Date.now() + MOST_SECONDS * 1000
  for (;;) {
    const before = turnOf(directory)
    if (lock(file, 'exclusive', PATIENCE_SECONDS)) return null
    if (turnOf(directory) === before) return { by: 'one', seconds: PATIENCE_SECONDS }
    if (Date.now() >= deadline) return { by: 'many', seconds: MOST_SECONDS }
  }
}

/**
 * What is different when another launch has had the lock: the kernel's list names the flock(1) that took it. In another PID
 * namespace than the initial one that may not be shown, and a lease that was written or removed has to do.
 */
function turnOf(directory: string): string {
  const name = lockNameOf(directory) ?? ''
  const holders = readLocks().filter((held) => held.name === name)
  if (isInitialPidNamespace()) return String(holders.map(({ pid }) => pid))
  const changes = (listDirectory(directory) ?? []).map((user) => {
    return changedAt(`${directory}/${user}`)
  })
  return `${holders.map(({ pid }) => pid)} ${Math.max(0, ...changes)}`
}

function changedAt(path: string): number {
  try {
    return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
  } catch {
    return 0
  }
}

function open(directory: string): number {
  try {
    return openSync(directory, 'r')
  } catch (error) {
    throw leaseDirectoryDenied({ directory, reason: errorCode(error) ?? 'unknown' })
  }
}
