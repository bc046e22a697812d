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
  return append(path, constants.O_NOFOLLOW, text, isRight)
}

/** As `writeByPath`, to whatever a link at the end leads to: never as root. */
export function writeThroughLink(path: string, text: string): boolean {
  return append(path, 0, text, () => true)
}

function append(path: string, more: number, text: string, isRight: (opened: Stats) => boolean): boolean {
  // O_NONBLOCK: a pipe that nobody reads, or is full, must not keep us.
  const { O_WRONLY, O_APPEND, O_NONBLOCK, O_NOCTTY } = constants
  try {
    const file = openSync(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | more)
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
