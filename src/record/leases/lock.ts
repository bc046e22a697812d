import { closeSync, openSync } from 'node:fs'
import { flockMissing, leaseDirectoryDenied, leasesBusy } from '../../errors/leases.js'
import { runWithStdin } from '../../host/program.js'
import { errorCode } from '../../host/sysfs.js'

/** Far longer than all launches of a host starting at once take together. */
const PATIENCE_SECONDS = 120

/**
 * Runs something while no other launch changes the leases.
 *
 * A JavaScript runtime has no flock(2), but a lock belongs to the open file, not to who asked for it: flock locks the
 * one that it is given as its stdin and ends. Closing it lets go of it, which the kernel does however this process ends.
 * @param directory what is locked
 * @throws {UserError} exit 69 when the lock cannot be had, 77 when the directory cannot be opened
 */
export function withLock<T>(directory: string, run: () => T): T {
  const file = open(directory)
  try {
    const ended = runWithStdin(['flock', '-w', String(PATIENCE_SECONDS), '0'], file)
    if (typeof ended === 'object' && ended !== null) throw flockMissing({ reason: ended.failure })
    if (ended !== 0) throw leasesBusy({ directory, seconds: PATIENCE_SECONDS })
    return run()
  } finally {
    closeSync(file)
  }
}

function open(directory: string): number {
  try {
    return openSync(directory, 'r')
  } catch (error) {
    throw leaseDirectoryDenied({ directory, reason: errorCode(error) ?? 'unknown' })
  }
}
