import { accessSync, constants, realpathSync, statSync } from 'node:fs'
import { emulatorIsWrapper, noEmulator } from '../errors/plan.js'

/**
 * Checks that a QEMU can be started by this user, and is not the wrapper.
 * @throws {UserError} exit 69 when it is not there or no program, 78 when it is the wrapper
 */
export function checkEmulator(path: string): void {
  try {
    // Becoming itself again and again would look like a hung start.
    if (/\/qemu-rt[^/]*$/.test(realpathSync(path))) throw emulatorIsWrapper({ path })
    if (!statSync(path).isFile()) throw noEmulator({ path, reason: 'is not a file' })
    accessSync(path, constants.X_OK)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR') throw noEmulator({ path, reason: 'does not exist' })
    if (code === 'EACCES') throw noEmulator({ path, reason: 'is not executable for this user' })
    throw error
  }
}
