import { constants, openSync } from 'node:fs'
import { flockMissing } from '../errors/leases.js'
import type { UserError } from '../errors/user-error.js'
import { runWithStdin } from '../host/program.js'
import { errorCode } from '../host/sysfs.js'

/**
 * Locks an open file for this process.
 *
 * A JavaScript runtime has no flock(2), but a lock belongs to the open file, not to who asked for it: flock(1) locks the
 * one that it is given as its stdin and ends. Closing it lets go of it, which the kernel does however this process ends.
 * @param file descriptor
 * @param kind `shared` is had beside other shared ones
 * @returns false when somebody else had it all the time
 * @throws {UserError} exit 69 when flock cannot be run
 */
export function lock(file: number, kind: 'exclusive' | 'shared', patienceSeconds: number): boolean {
  const wait = patienceSeconds === 0 ? ['-n'] : ['-w', String(patienceSeconds)]
  const ended = runWithStdin(['flock', kind === 'shared' ? '-s' : '-x', ...wait, '0'], file)
  if (typeof ended === 'object' && ended !== null) throw flockMissing({ reason: ended.failure })
  return ended === 0
}

/**
 * Opens the file of a lock that is root's alone: it is closed to everybody else, since who can open a file can lock it
 * (flock(2)).
 * @param refused makes the error of what is wrong
 * @returns a descriptor
 */
export function openLockFile(
  path: string,
  refused: (facts: { readonly path: string; readonly reason: string }) => UserError,
): number {
  try {
    return openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
  } catch (error) {
    throw refused({ path, reason: errorCode(error) ?? String(error) })
  }
}
