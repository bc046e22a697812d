import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
} from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { onlyRootWrites } from '../config/ownership.js'
import { directoryOfOthers, exportUnwritable, outputNoFile } from '../errors/export.js'
import { errorCode } from '../host/sysfs.js'
import { writeWhole } from '../host/write-whole.js'

/** Everyone may read it: the daemons that do have users of their own. */
const MODE = 0o644

/** Write for the group and for others. */
const OTHERS_WRITE = 0o022

/**
 * Writes what another program reads, to the file of `--output`.
 * @returns whether it wrote: a file with the same content stays as it is
 * @param makesDirectory whether the directory is the other program's own, which its package may not have made
 * @throws {UserError} exit 64 for what is no regular file, 69 or 77 when it cannot be written, 77 when root is to write in a
 *   directory of others
 */
export function writeOutput(
  file: string,
  text: string,
  { makesDirectory }: { readonly makesDirectory: boolean },
): boolean {
  const path = resolve(file)
  const directory = dirname(path)
  const before = process.cwd()
  try {
    if (makesDirectory) mkdirSync(directory, { recursive: true, mode: 0o755 })
    // From here on the directory is this one, whatever somebody puts in its place.
    process.chdir(directory)
    if (process.geteuid?.() === 0 && !isRoots(directory)) throw directoryOfOthers({ file })
    const there = lstatSync(basename(path), { throwIfNoEntry: false })
    if (there !== undefined && !there.isFile()) throw outputNoFile({ file })
    if (saysAlready(basename(path), text)) return false
    writeWhole(basename(path), text, MODE)
    return true
  } catch (error) {
    const code = errorCode(error)
    if (code === null) throw error
    throw exportUnwritable({ file, reason: code })
  } finally {
    process.chdir(before)
  }
}

/** A file that says so already stays as it is. One of another length is not read. */
function saysAlready(file: string, text: string): boolean {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants
  try {
    const fd = openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    try {
      const stat = fstatSync(fd)
      const isAsLong = stat.isFile() && stat.size === Buffer.byteLength(text)
      return isAsLong && readFileSync(fd, 'utf8') === text
    } finally {
      closeSync(fd)
    }
  } catch {
    return false
  }
}

/**
 * Whether the working directory is root's alone, and the one that was named. A directory above it may be another user's, as
 * /var/lib/prometheus is on Debian: that user could have put a link or a directory in its place.
 */
function isRoots(named: string): boolean {
  const { uid, mode } = statSync('.')
  const isOwn = uid === 0 && ((mode & OTHERS_WRITE) === 0 || (mode & 0o1000) !== 0)
  return isOwn && (process.cwd() === named || onlyRootWrites(named))
}
