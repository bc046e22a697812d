import { accessSync, constants, statSync } from 'node:fs'

/** Whether this user may run the program at a path. A directory that may be entered is none. */
export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
