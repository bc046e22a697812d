import { chmodSync, chownSync, statSync } from 'node:fs'
import { nodeNotGiven } from '../errors/bind.js'
import { errorCode } from '../host/sysfs.js'
import type { Root } from '../host/sysroot.js'
import type { TakenDevice } from '../record/vm.js'
import type { PciAddress } from '../units/pci-address.js'
import type { Step } from './step.js'

/** Read and write for the owner, as libvirt leaves it for its own devices. */
const OWNER_READS_AND_WRITES = 0o600

const PERMISSIONS = 0o7777

/** Makes a user the owner of a device's /dev/vfio node. @param path on the host, without the sysroot */
export function nodeStep(root: Root, address: PciAddress, path: string, uid: number): Step {
  return {
    look() {
      const { uid: owner, mode } = stat(root, path, uid)
      const isGiven = owner === uid && (mode & OWNER_READS_AND_WRITES) === OWNER_READS_AND_WRITES
      return isGiven ? null : { address, node: { path, uid: owner, mode: mode & PERMISSIONS } }
    },
    make: () => giveNode(root, path, uid),
    undo: (before) => undoNode(root, before),
  }
}

/** @throws {UserError} exit 77 without root's rights, 69 when it is not there */
function giveNode(root: Root, path: string, uid: number): void {
  const { uid: owner, gid, mode } = stat(root, path, uid)
  try {
    if (owner !== uid) chownSync(root + path, uid, gid)
    if ((mode & OWNER_READS_AND_WRITES) !== OWNER_READS_AND_WRITES) {
      chmodSync(root + path, (mode & PERMISSIONS) | OWNER_READS_AND_WRITES)
    }
  } catch (error) {
    throw nodeNotGiven({ path, uid, reason: errorCode(error) ?? String(error) })
  }
}

/** What a record may name: a file in /dev/vfio. */
const VFIO_NODE = /^\/dev\/vfio\/(devices\/)?[\w-]+$/

/**
 * Gives a node back; it is gone already when nothing of its group is bound to vfio-pci any more.
 * @throws {UserError} exit 77 without root's rights
 */
export function undoNode(root: Root, { node }: TakenDevice): void {
  if (node === undefined) return
  const { path, uid, mode } = node
  try {
    if (!VFIO_NODE.test(path)) throw new Error('is not in /dev/vfio')
    const now = statSync(root + path)
    if (now.uid !== uid) chownSync(root + path, uid, now.gid)
    if (mode !== undefined && (now.mode & PERMISSIONS) !== mode) chmodSync(root + path, mode)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') {
      throw nodeNotGiven({ path, uid, reason: errorCode(error) ?? String(error) })
    }
  }
}

function stat(root: Root, path: string, uid: number) {
  try {
    return statSync(root + path)
  } catch (error) {
    throw nodeNotGiven({ path, uid, reason: errorCode(error) ?? String(error) })
  }
}
