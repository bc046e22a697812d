import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  writeSync,
} from 'node:fs'
import { hostNotChanged, placeUnsafe } from '../../errors/host-apply.js'
import { UserError } from '../../errors/user-error.js'
import { errorCode } from '../../host/sysfs.js'
import type { Root } from '../../host/sysroot.js'
import { directoryOf } from '../../units/path.js'

/** A file as it stood. The text has a byte in each character, so any file comes back as it was. */
export interface FileBefore {
  readonly text: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

/** More than any file of settings has. */
const MAX_BYTES = 1 << 20

const PERMISSIONS = 0o7777
const WRITABLE_BY_OTHERS = 0o022

/**
 * Checks that no one but root may change what a directory has, from the root of the file system down, and follows no link.
 * @returns those of the directories that are missing, the uppermost first
 * @throws {UserError} exit 77
 */
export function missingDirectories(root: Root, directory: string): string[] {
  const missing: string[] = []
  let path = ''
  for (const part of ['', ...directory.split('/').filter((name) => name !== '')]) {
    if (part !== '') path += `/${part}`
    const stats = lstatSync(root + path || '/', { throwIfNoEntry: false })
    if (stats === undefined) missing.push(path)
    else checkDirectory(root, path || '/', stats)
  }
  return missing
}

function checkDirectory(root: Root, path: string, stats: Stats): void {
  // The root of a sysroot may be named by a link; who names it is root.
  const isNamed = root !== '' && path === '/'
  if (!stats.isDirectory() && !(isNamed && stats.isSymbolicLink()))
    throw placeUnsafe({
      path: root + path,
      reason: stats.isSymbolicLink() ? linkTo(root + path) : 'this is not a directory',
    })
  if (isNamed) return
  const reason = strangerTo(stats)
  if (reason !== null) throw placeUnsafe({ path: root + path, reason: `this directory ${reason}` })
}

/** What stands in the way, and where it leads. */
function linkTo(path: string): string {
  return `this is a symbolic link to ${readlinkSync(path)}`
}

/** Why others than root could change something; beneath a sysroot, others than root and who runs this. Null when none can. */
export function strangerTo({ uid, mode }: Pick<Stats, 'uid' | 'mode'>): string | null {
  if (uid !== 0 && uid !== process.geteuid?.()) return `belongs to UID ${uid}`
  return (mode & WRITABLE_BY_OTHERS) === 0 ? null : 'may be written by others than its owner'
}

/**
 * Reads a file of root's without following a link.
 * @returns null when it is not there
 * @throws {UserError} exit 77 when it is something else, or too long
 */
export function readPlain(root: Root, path: string): FileBefore | null {
  try {
    const file = openSync(root + path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const stats = fstatSync(file)
      if (!stats.isFile()) throw placeUnsafe({ path: root + path, reason: 'this is not a plain file' })
      const stranger = strangerTo(stats)
      if (stranger !== null) throw placeUnsafe({ path: root + path, reason: `this file ${stranger}` })
      if (stats.size > MAX_BYTES)
        throw placeUnsafe({ path: root + path, reason: 'this file is longer than 1 MiB' })
      const bytes = Buffer.alloc(stats.size)
      const text = bytes.toString('latin1', 0, readSync(file, bytes, 0, bytes.length, 0))
      return { text, mode: stats.mode & PERMISSIONS, uid: stats.uid, gid: stats.gid }
    } finally {
      closeSync(file)
    }
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ENOENT') return null
    if (code === 'ELOOP') throw placeUnsafe({ path: root + path, reason: linkTo(root + path) })
    throw error instanceof UserError
      ? error
      : hostNotChanged({ path: root + path, reason: code ?? String(error) })
  }
}

/** Not the name of a file that sysctl.d, modprobe.d or systemd reads. */
const FRESH = '.qemu-rt-new'

/**
 * Writes a file whole or not at all, also when the power fails.
 * @throws {UserError} exit 77 or 69
 */
export function replaceFile(root: Root, path: string, { text, mode, uid, gid }: FileBefore): void {
  const fresh = `${root}${path}${FRESH}`
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
  try {
    rmSync(fresh, { force: true })
    const file = openSync(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
    try {
      const bytes = Buffer.from(text, 'latin1')
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at)
      const now = fstatSync(file)
      if (now.uid !== uid || now.gid !== gid) fchownSync(file, uid, gid)
      fchmodSync(file, mode)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(fresh, root + path)
    syncDirectory(root + directoryOf(path))
  } catch (error) {
    discard(fresh)
    throw hostNotChanged({ path: root + path, reason: errorCode(error) ?? String(error) })
  }
}

/** Removes what a write that was cut off has left beside a file. */
export function discardFresh(root: Root, path: string): void {
  discard(`${root}${path}${FRESH}`)
}

/** A new file of this user's, which everybody may read: what is in it is no secret. */
export function ownFile(text: string): FileBefore {
  return { text, mode: 0o644, uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }
}

function discard(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch {
    // What went wrong before is what is told.
  }
}

function syncDirectory(path: string): void {
  const file = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** Whether a path of /proc or /sys stays there, links followed: devices are named by links of the kernel's own. */
export function isKernelsFile(root: Root, path: string): boolean {
  if (!/^\/(proc|sys)\/[^\0]+$/.test(path) || path.split('/').includes('..')) return false
  try {
    const top = root === '' ? '' : realpathSync(root)
    const real = realpathSync(root + path)
    return real.startsWith(`${top}/proc/`) || real.startsWith(`${top}/sys/`)
  } catch {
    return false
  }
}
