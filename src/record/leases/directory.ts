import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync } from 'node:fs'
import { leaseDirectoryDenied, leaseDirectoryMissing, leaseDirectoryUnsafe } from '../../errors/leases.js'
import { errorCode } from '../../host/sysfs.js'
import { leaseDirectory } from '../place.js'
import { putAside } from '../root/directory.js'

/**
 * Leases lie in /run/qemu-rt/leases/UID/, one file a VM.
 *
 * root and libvirt's unprivileged QEMU user both launch VMs and must see what the other holds. So the directory is
 * root's, with a group that both have: whoever may open /dev/kvm. Each user makes a directory of its own in it, which
 * the sticky bit keeps from being exchanged by the others; the group may read what is in there, nobody else may write.
 * So no user can take away another's lease, and root never locks or removes a file in a place that others can change.
 */
const GROUP = 'kvm'
const SHARED_MODE = 0o3770
const OWN_MODE = 0o2750

/**
 * Makes this user's directory for leases where it is missing.
 * @returns the directory of all users, and this user's
 * @throws {UserError} exit 77 when it cannot be made or used, or others could change what is in it
 */
export function ensureLeaseDirectory(sysroot: string): { readonly shared: string; readonly own: string } {
  const shared = leaseDirectory(sysroot)
  const user = process.geteuid?.() ?? 0
  if (!isThere(shared)) makeShared(shared)
  checkShared(shared, user)
  const own = `${shared}/${user}`
  if (user === 0) putAsideWhatIsNotRoots(own)
  if (!isThere(own)) makeOwn(own)
  const { uid, mode } = lstatSync(own)
  if (!lstatSync(own).isDirectory()) throw leaseDirectoryUnsafe({ directory: own, reason: 'is no directory' })
  if (uid !== user) throw leaseDirectoryUnsafe({ directory: own, reason: `belongs to UID ${uid}` })
  if ((mode & 0o022) !== 0) throw leaseDirectoryUnsafe({ directory: own, reason: 'can be written by others' })
  return { shared, own }
}

/** Whoever may make directories here can make root's first. Root need not put up with that, and nobody else can mend it. */
function putAsideWhatIsNotRoots(directory: string): void {
  const found = lstatSync(directory, { throwIfNoEntry: false })
  if (found !== undefined && !(found.isDirectory() && found.uid === 0)) putAside(directory)
}

function makeShared(directory: string): void {
  try {
    const made = mkdirSync(directory, { recursive: true, mode: 0o700 })
    // Whatever the umask: others may pass, and not write.
    if (made !== undefined && made !== directory) chmodSync(made, 0o755)
    chmodSync(directory, SHARED_MODE)
    // Without the group this user alone launches VMs.
    const group = kvmGroup()
    if (group !== null && process.geteuid?.() === 0) {
      chownSync(directory, 0, group)
      chmodSync(directory, SHARED_MODE)
    }
  } catch (error) {
    if (errorCode(error) === 'EACCES') throw leaseDirectoryMissing({ directory })
    throw leaseDirectoryDenied({ directory, reason: errorCode(error) ?? 'unknown' })
  }
}

function checkShared(directory: string, user: number): void {
  const { uid, mode } = lstatSync(directory)
  if (uid !== 0 && uid !== user) throw leaseDirectoryUnsafe({ directory, reason: `belongs to UID ${uid}` })
  const isSticky = (mode & 0o1000) !== 0
  if ((mode & 0o022) !== 0 && !isSticky) {
    throw leaseDirectoryUnsafe({ directory, reason: 'can be written by others and has no sticky bit' })
  }
}

function makeOwn(directory: string): void {
  try {
    mkdirSync(directory, 0o700)
    chmodSync(directory, OWN_MODE)
  } catch (error) {
    // Another launch of this user was faster.
    if (errorCode(error) !== 'EEXIST') {
      throw leaseDirectoryDenied({ directory, reason: errorCode(error) ?? 'unknown' })
    }
  }
}

function isThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined
  } catch (error) {
    throw leaseDirectoryDenied({ directory: path, reason: errorCode(error) ?? 'unknown' })
  }
}

function kvmGroup(): number | null {
  const groups = readFileSync('/etc/group', 'latin1')
  const id = new RegExp(`^${GROUP}:[^:]*:(\\d+):`, 'm').exec(groups)?.[1]
  return id === undefined ? null : Number(id)
}
