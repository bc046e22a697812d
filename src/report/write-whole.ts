import {
  closeSync,
  fchmodSync,
  fsyncSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'

/**
 * Writes a file whole or not at all, so that who reads it meanwhile reads the old one or the new one, also after a power cut.
 * Until then it has a name with a dot, which programs that read a directory leave alone. Nothing is written through a link
 * that somebody has put there. Libraries for this (write-file-atomic) have another name, and follow such a link.
 * @returns whether it had to be written: a file that says so already is left as it is
 * @throws the system's error
 */
export function writeWhole(file: string, text: string, mode: number): boolean {
  if (saysAlready(file, text)) return false
  const fresh = join(dirname(file), `.${basename(file)}.${process.pid}`)
  const fd = openSync(fresh, 'wx', mode)
  try {
    try {
      fchmodSync(fd, mode)
      writeFileSync(fd, text)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(fresh, file)
  } catch (error) {
    rmSync(fresh, { force: true })
    throw error
  }
  return true
}

function saysAlready(file: string, text: string): boolean {
  try {
    return lstatSync(file).isFile() && readFileSync(file, 'utf8') === text
  } catch {
    return false
  }
}
