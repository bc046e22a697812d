import { mkdirSync, statSync } from 'node:fs'
import { checkOnlyRootWrites } from '../src/config/ownership.js'
import { UserError } from '../src/errors/user-error.js'

/**
 * Makes the directory of the roots, into which nobody else can look: there are programs in the roots that run as root
 * (setuid), and no updates. One that is there stays as it is.
 * @returns why root must not use it: what is in there is run and removed as root; null when it may
 */
export function makeDirectory(directory: string): string | null {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  try {
    checkOnlyRootWrites(directory, statSync(directory))
    return null
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    return `others than root can write or exchange ${directory}; give a --directory that is root's alone`
  }
}
