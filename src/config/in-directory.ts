import { basename, dirname, resolve } from 'node:path'
import { LED_ELSEWHERE } from '../errors/system.js'
import { onlyRootWrites } from './ownership.js'

/** Another user's link could have led root to a directory. */
export class LedElsewhere extends Error {
  override readonly name = 'LedElsewhere'
  override readonly message = LED_ELSEWHERE
}

/**
 * Runs something in the directory of a file, which is this one from then on, whatever somebody puts in its place. Root goes through
 * no link of another user's: who owns a directory can put one there at any time, and have root write elsewhere.
 * @param run is given the file's name there
 * @throws {LedElsewhere} as root; the system's error when the directory cannot be entered
 */
export function inDirectoryOf<T>(file: string, run: (name: string) => T): T {
  const path = resolve(file)
  const named = dirname(path)
  const before = process.cwd()
  process.chdir(named)
  try {
    const isRoot = process.geteuid?.() === 0
    // By its real path no link has led here.
    if (isRoot && process.cwd() !== named && !onlyRootWrites(named)) throw new LedElsewhere()
    return run(basename(path))
  } finally {
    process.chdir(before)
  }
}
