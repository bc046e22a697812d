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
import { dirname } from 'node:path'
import { inDirectoryOf, LedElsewhere } from '../config/in-directory.js'
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
  try {
    if (makesDirectory) mkdirSync(dirname(file), { recursive: true, mode: 0o755 })
    return inDirectoryOf(file, (name) => {
      if (process.geteuid?.() === 0 && !isRootsAlone()) throw directoryOfOthers({ file })
      const there = lstatSync(name, { throwIfNoEntry: false })
      if (there !== undefined && !there.isFile()) throw outputNoFile({ file })
      if (saysAlready(name, text)) return false
      writeWhole(name, text, MODE)
      return true
    })
  } catch (error) {
    if (error instanceof LedElsewhere) throw directoryOfOthers({ file })
    const code = errorCode(error)
    if (code === null) throw error
    throw exportUnwritable({ file, reason: code })
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
 * Whether nobody but root can write in the working directory. One above it may be another user's, as /var/lib/prometheus is on
 * Debian.
 */
function isRootsAlone(): boolean {
  const { uid, mode } = statSync('.')
  return uid === 0 && ((mode & OTHERS_WRITE) === 0 || (mode & 0o1000) !== 0)
}
