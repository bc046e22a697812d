import { chmodSync, chownSync, statSync } from 'node:fs'
import { nodeNotGiven } from '../errors/bind.js'
import { errorCode } from '../host/sysfs.js'
import type { Root } from '../host/sysroot.js'

/** Read and write for the owner, as libvirt leaves it for its own devices. */
const OWNER_READS_AND_WRITES = 0o600

/**
 * Makes a user the owner of a /dev/vfio node.
 * @param path on the host, without the sysroot
 * @returns the owner before
 * @throws {UserError} exit 77 without root's rights, 69 when it is not there
 */
export function giveNode(root: Root, path: string, uid: number): number {
  try {
    const { uid: before, gid, mode } = statSync(root + path)
    if (before !== uid) chownSync(root + path, uid, gid)
    if ((mode & OWNER_READS_AND_WRITES) !== OWNER_READS_AND_WRITES) {
      chmodSync(root + path, (mode & 0o777) | OWNER_READS_AND_WRITES)
    }
    return before
  } catch (error) {
    throw nodeNotGiven({ path, uid, reason: errorCode(error) ?? String(error) })
  }
}

/** Gives the node back; it is gone already when nothing of its group is bound to vfio-pci any more. */
export function giveNodeBack(root: Root, path: string, uid: number): void {
  try {
    const { gid } = statSync(root + path)
    chownSync(root + path, uid, gid)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') {
      throw nodeNotGiven({ path, uid, reason: errorCode(error) ?? String(error) })
    }
  }
}
