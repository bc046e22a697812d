import { chmodSync, lstatSync, mkdirSync, renameSync } from 'node:fs'
import { recordDirectoryUnsafe, recordNotWritable } from '../../errors/record.js'
import { errorCode } from '../../host/sysfs.js'
import { rootsDirectory, runDirectory } from '../place.js'

/** Read by everybody, whatever the umask of who started libvirtd. */
const MODE = 0o755

/**
 * Makes the directory of root's records where it is missing, and opens one to readers that a umask has closed.
 * @returns its path
 * @throws {UserError} exit 77 when it cannot be made, or another than this user could change what is in it
 */
export function ensureRootsDirectory(sysroot: string): string {
  const run = runDirectory(sysroot)
  const directory = rootsDirectory(sysroot)
  for (const one of [run, directory]) ensure(one)
  return directory
}

function ensure(directory: string): void {
  try {
    if (lstatSync(directory, { throwIfNoEntry: false }) === undefined)
      mkdirSync(directory, { recursive: true, mode: MODE })
    const found = lstatSync(directory)
    const self = process.geteuid?.() ?? 0
    if (!found.isDirectory()) throw recordDirectoryUnsafe({ directory, reason: 'is no directory' })
    if (found.uid !== self) throw recordDirectoryUnsafe({ directory, reason: `belongs to UID ${found.uid}` })
    if ((found.mode & 0o7777) !== MODE) chmodSync(directory, MODE)
  } catch (error) {
    const reason = errorCode(error)
    throw reason === null ? error : recordNotWritable({ path: directory, reason })
  }
}

/** Puts aside what another user has made in a place that is root's, so that nothing of it counts. */
export function putAside(path: string): void {
  renameSync(path, `${path}.aside-${process.pid}-${Date.now()}`)
}
