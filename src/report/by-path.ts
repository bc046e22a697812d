import { closeSync, constants, fstatSync, openSync, type Stats, writeSync } from 'node:fs'

/** Group and others. */
const OTHERS_WRITE = 0o022

/**
 * Writes a line at the end of a file, by its path: follows no link at its end, makes no file, takes no terminal for its
 * own, and waits for nobody.
 * @param isRight says of the opened file whether it may get the line, such as `isRootsAlone`
 * @returns false when it was not written
 */
export function writeByPath(path: string, text: string, isRight: (opened: Stats) => boolean): boolean {
  const { O_WRONLY, O_APPEND, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = constants
  try {
    const file = openSync(path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
    try {
      if (!isRight(fstatSync(file))) return false
      writeSync(file, text)
      return true
    } finally {
      closeSync(file)
    }
  } catch {
    return false
  }
}

/** Whether a file is a regular one of root's that nobody else writes, and has no second name by which it is another file. */
export function isRootsAlone(opened: Stats): boolean {
  return opened.isFile() && opened.uid === 0 && opened.nlink === 1 && (opened.mode & OTHERS_WRITE) === 0
}
