import { readdirSync } from 'node:fs'
import { errorCode } from '../sysfs.js'

/** Paths that fit a pattern; with none, why. */
export interface Expanded {
  readonly paths: readonly string[]
  /** The errno name of the directory that could not be listed; `ENOENT` when there is nothing that fits. */
  readonly why: string
}

/** A directory with more names than that is none of the kernel's that a check looks at. */
const MOST_NAMES = 65_536

/**
 * Finds the paths beneath a root that fit a pattern, in which `*` stands for any part of one name. Libraries for this (tinyglobby)
 * do not say why a directory could not be listed, nor where they stop; this one descends only as deep as the pattern is long.
 * @returns paths without the root, sorted; a pattern without `*` is itself a path, there or not
 */
export function expandPattern(root: string, pattern: string): Expanded {
  let paths = ['']
  let why = 'ENOENT'
  for (const part of pattern.split('/').slice(1)) {
    if (!part.includes('*')) {
      paths = paths.map((path) => `${path}/${part}`)
      continue
    }
    const fits = new RegExp(`^${part.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`)
    paths = paths.flatMap((path) => {
      try {
        const names = readdirSync(root + path).slice(0, MOST_NAMES)
        return names
          .filter((name) => fits.test(name))
          .sort()
          .map((name) => `${path}/${name}`)
      } catch (error) {
        const code = errorCode(error) ?? 'EIO'
        if (code !== 'ENOENT' && code !== 'ENOTDIR') why = code
        return []
      }
    })
  }
  return { paths, why }
}
