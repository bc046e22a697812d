import { realpathSync } from 'node:fs'
import { basename } from 'node:path'

/** Whether an emulator is the launcher: one of the links that install.sh makes, or another one to it. */
export function isWrapper(emulator: string): boolean {
  return [emulator, realPath(emulator)].some((path) => basename(path).startsWith('qemu-rt'))
}

function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}
