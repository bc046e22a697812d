import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { exportUnwritable } from '../errors/export.js'
import { errorCode } from '../host/sysfs.js'
import { writeWhole } from '../report/write-whole.js'

/** Everyone may read it: the daemons that do have users of their own. */
const MODE = 0o644

/**
 * Writes what another program reads, to the file of `--output`.
 * @param makesDirectory whether the directory is the other program's own, which its package may not have made
 * @throws {UserError} exit 69 or 77 when it cannot be written
 */
export function writeOutput(
  file: string,
  text: string,
  { makesDirectory }: { readonly makesDirectory: boolean },
): void {
  try {
    if (makesDirectory) mkdirSync(dirname(file), { recursive: true, mode: 0o755 })
    writeWhole(file, text, MODE)
  } catch (error) {
    throw exportUnwritable({ file, reason: errorCode(error) ?? String(error) })
  }
}
