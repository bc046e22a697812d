import { existsSync, statSync } from 'node:fs'
import { hostNotReadable, sysrootUnusable } from '../errors/host.js'
import { withoutEndSlashes } from '../units/path.js'
import { errorCode } from './sysfs.js'

/** What stands before `/sys`, `/dev`, … in a path: a directory without slash at its end; empty for this host. */
export type Root = string & { readonly unit: 'Root' }

/**
 * Checks a sysroot once, so that a reader may take a missing file for a missing thing.
 * @param sysroot `/`, or a directory with a captured host
 * @throws {UserError} exit 65 when it is no directory, 77 when this user may not get there
 */
export function openSysroot(sysroot: string): Root {
  const root = withoutEndSlashes(sysroot) as Root
  if (root === '' && sysroot !== '') return root
  if (!isDirectory(sysroot)) throw sysrootUnusable({ sysroot, reason: 'is not a directory' })
  return root
}

/**
 * Checks that there is a host beneath a root.
 * @throws {UserError} exit 65 when there is no /sys
 */
export function requireSysfs(root: Root): void {
  if (!existsSync(`${root}/sys`)) throw sysrootUnusable({ sysroot: root || '/', reason: 'has no /sys' })
}

function isDirectory(sysroot: string): boolean {
  try {
    return statSync(sysroot).isDirectory()
  } catch (error) {
    if (errorCode(error) === 'EACCES') throw hostNotReadable({ path: sysroot })
    throw sysrootUnusable({ sysroot, reason: 'does not exist' })
  }
}
