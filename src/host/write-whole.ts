import { closeSync, fchmodSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/**
 * Writes a file whole or not at all, so that who reads it meanwhile reads the old one or the new one, also after a power cut.
 * Until then it has a name with a dot, which programs that read a directory leave alone. Nothing is written through a link
 * that somebody has put there. Libraries for this (write-file-atomic) have another name, and follow such a link.
 * @param mode whatever the umask is: that of a hardened root shell is 077, of a careless service 0
 * @throws the system's error
 */
export function writeWhole(file: string, text: string, mode: number): void {
  const fresh = join(dirname(file), `.${basename(file)}.${process.pid}`)
  try {
    writeDurably(fresh, text, mode)
    renameSync(fresh, file)
    syncDirectory(dirname(file))
  } catch (error) {
    discard(fresh)
    throw error
  }
}

function writeDurably(path: string, text: string, mode: number): void {
  const fd = openSync(path, 'wx', mode)
  try {
    fchmodSync(fd, mode)
    writeFileSync(fd, text)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function discard(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch {
    // What kept the file from being written may keep it from being looked up.
  }
}

function syncDirectory(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
