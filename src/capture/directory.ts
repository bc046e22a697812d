import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmdirSync,
  rmSync,
} from 'node:fs'
import { dirname, resolve } from 'node:path'
import { inDirectoryOf, LedElsewhere } from '../config/in-directory.js'
import { captureNotWritable } from '../errors/capture.js'
import { errorCode, listDirectory } from '../host/sysfs.js'

/**
 * Makes a directory with all that is in it, or nothing. It is filled under another name beside its place, where only this
 * user can write, and held by a descriptor: whoever may write in the directory above, as in a user's own, can neither
 * plant a link where root is about to write nor exchange the directory meanwhile.
 * @param out a directory that is empty or not there
 * @param fill is given the path to write to
 * @throws {UserError} exit 65 when the directory is not empty or a link, 77 when this user may not write there, 69 when
 *   the disk cannot take it
 */
export function makeDirectory<T>(out: string, fill: (directory: string) => T): T {
  try {
    if (isLink(out)) throw new Unfit('is a link')
    if ((listDirectory(out) ?? []).length > 0) throw new Unfit('is not empty')
    makeDirectoriesOf(resolve(out))
    return inDirectoryOf(out, (name) => makeHere(name, fill))
  } catch (error) {
    const isOurs = error instanceof Unfit || error instanceof LedElsewhere
    throw captureNotWritable({ out, reason: isOurs ? error.message : (errorCode(error) ?? String(error)) })
  }
}

/** One by one, since root goes through no other user's link to make one either. */
function makeDirectoriesOf(path: string): void {
  const directory = dirname(path)
  if (existsSync(directory)) return
  makeDirectoriesOf(directory)
  try {
    inDirectoryOf(directory, (name) => mkdirSync(name, 0o755))
  } catch (error) {
    // Another one has made it meanwhile; who enters it checks how.
    if (errorCode(error) !== 'EEXIST') throw error
  }
}

/** In the working directory. */
function makeHere<T>(name: string, fill: (directory: string) => T): T {
  const temporary = mkdtempSync(`${name}.`)
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants
  const held = openSync(temporary, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  try {
    const { uid, mode } = fstatSync(held)
    // Somebody has put another directory in the place of ours.
    if (uid !== process.geteuid?.() || (mode & 0o077) !== 0) throw new Unfit('was exchanged')
    try {
      const filled = fill(`/proc/self/fd/${held}`)
      fchmodSync(held, 0o777 & ~process.umask() & ~0o022)
      // Over an empty directory, too; over nothing else (rename(2)).
      renameSync(temporary, name)
      return filled
    } catch (error) {
      discard(`/proc/self/fd/${held}`, temporary)
      throw error
    }
  } finally {
    closeSync(held)
  }
}

/** What is wrong with the directory. */
class Unfit extends Error {}

function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink()
  } catch {
    return false
  }
}

/** Removes what is in the directory that is held, then its name: by its name alone another could be emptied. */
function discard(held: string, path: string): void {
  try {
    for (const name of listDirectory(held) ?? []) rmSync(`${held}/${name}`, { recursive: true, force: true })
    rmdirSync(path)
  } catch {
    // What kept it from being written may keep it from being removed.
  }
}
