import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { goldenNotWritable } from '../errors/golden.js'
import { errorCode } from '../host/sysfs.js'

/**
 * Writes a file of a case, or removes it. Whatever keeps it from being written, the file that was there stays whole.
 * @param content undefined removes the file
 * @throws {UserError} exit 77 when this user may not, 69 when the disk cannot take it
 */
export function writeExpected(file: string, content: string | undefined): void {
  const temporary = `${file}.${process.pid}`
  try {
    if (content === undefined) {
      rmSync(file)
      return
    }
    // `wx`: what is there, a link too, is not written through.
    writeFileSync(temporary, content, { flag: 'wx' })
    renameSync(temporary, file)
  } catch (error) {
    // One that was there before is not ours to remove.
    if (errorCode(error) !== 'EEXIST') discard(temporary)
    throw goldenNotWritable({ file, reason: errorCode(error) ?? String(error) })
  }
}

function discard(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch {
    // What kept the file from being written may keep it from being looked up.
  }
}
