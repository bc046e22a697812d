import { closeSync, openSync, statSync } from 'node:fs'
import { leaseDirectoryDenied, leasesBusy } from '../../errors/leases.js'
import { errorCode, listDirectory } from '../../host/sysfs.js'
import { lock } from '../lock.js'

/** How long the lock may be held while nothing comes of it. Whoever may open the directory can hold it. */
const PATIENCE_SECONDS = 5

/** How long all launches of a host that start at once may take their turns. */
const MOST_SECONDS = 30

/**
 * Runs something while no other launch changes the leases.
 * @param directory what is locked; users' own directories are in it
 * @throws {UserError} exit 69 when the lock cannot be had, 77 when the directory cannot be opened
 */
export function withLeasesLock<T>(directory: string, run: () => T): T {
  const file = open(directory)
  try {
    if (!wait(file, directory)) throw leasesBusy({ directory, seconds: PATIENCE_SECONDS })
    return run()
  } finally {
    closeSync(file)
  }
}

/** Waits on while other launches get their leases: these write into the users' directories. */
function wait(file: number, directory: string): boolean {
  const deadline = Date.now() + MOST_SECONDS * 1000
  for (;;) {
    const before = Date.now()
    if (lock(file, 'exclusive', PATIENCE_SECONDS)) return true
    const isMoving = lastChange(directory) >= before
    if (!isMoving || Date.now() >= deadline) return false
  }
}

/** When a lease was last written or removed, in milliseconds of the clock. */
function lastChange(directory: string): number {
  const times = (listDirectory(directory) ?? []).map((user) => {
    return statSync(`${directory}/${user}`, { throwIfNoEntry: false })?.mtimeMs ?? 0
  })
  return Math.max(0, ...times)
}

function open(directory: string): number {
  try {
    return openSync(directory, 'r')
  } catch (error) {
    throw leaseDirectoryDenied({ directory, reason: errorCode(error) ?? 'unknown' })
  }
}
