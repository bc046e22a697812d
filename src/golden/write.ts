import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { inDirectoryOf, LedElsewhere } from '../config/in-directory.js'
import { goldenNotWritable } from '../errors/golden.js'
import { errorCode } from '../host/sysfs.js'

/**
 * Writes a file of a case, or removes it. Whatever keeps it from being written, the file that was there stays whole.
 * @param content undefined removes the file
 * @throws {UserError} exit 77 when this user may not, or another user's link could lead root there, 69 when the disk cannot
 *   take it
 */
export function writeExpected(file: string, content: string | undefined): void {
  try {
    inDirectoryOf(file, (name) => (content === undefined ? rmSync(name) : replace(name, content)))
  } catch (error) {
    const reason = error instanceof LedElsewhere ? error.message : (errorCode(error) ?? String(error))
    throw goldenNotWritable({ file, reason })
  }
}

/** In the working directory. */
function replace(name: string, content: string): void {
  const temporary = `${name}.${process.pid}`
  try {
    // `wx`: what is there, a link too, is not written through.
    writeFileSync(temporary, content, { flag: 'wx' })
    renameSync(temporary, name)
  } catch (error) {
    // One that was there before is not ours to remove.
    if (errorCode(error) !== 'EEXIST') discard(temporary)
    throw error
  }
}

function discard(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch {
    // What kept the file from being written may keep it from being looked up.
  }
}
