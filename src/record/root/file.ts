import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { recordNotReadable, recordNotWritable } from '../../errors/record.js'
import { errorCode } from '../../host/sysfs.js'
import { formatVm, parseVm, type VmRecord } from '../vm.js'

/** More than any record has: 1024 vCPUs, each with its CPU, take 64 KiB. */
const MAX_BYTES = 1024 * 1024

/** Whose a file of root's is: root's; beneath a sysroot, its who has unpacked it. */
function isRoots(uid: number, sysroot: string): boolean {
  return uid === 0 || sysroot !== '/'
}

/**
 * Reads one of root's records.
 * @returns null when there is none
 * @throws {UserError} exit 77 when it is there and cannot be read, is not root's, or is no record: a record that cannot be
 *   read is not "no record"
 */
export function readRecord(path: string, sysroot: string): VmRecord | null {
  const unreadable = (reason: string) => recordNotReadable({ path, reason })
  let text: string
  try {
    const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const { uid, size } = fstatSync(file)
      if (!fstatSync(file).isFile() || !isRoots(uid, sysroot)) throw unreadable("it is not root's file")
      if (size > MAX_BYTES) throw unreadable('it is too long')
      const bytes = Buffer.alloc(size)
      text = bytes.toString('utf8', 0, readSync(file, bytes, 0, size, 0))
    } finally {
      closeSync(file)
    }
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ENOENT') return null
    throw code === null ? error : unreadable(code)
  }
  const record = parseVm(text)
  if (record === null) throw unreadable('it is not a record')
  return record
}

/**
 * Writes a record. A reader sees the old one or the new one, whole.
 * @throws {UserError} exit 77 when it cannot be written; what was there before stays
 */
export function writeRecord(path: string, record: VmRecord): void {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
  const fresh = `${path}.new`
  try {
    rmSync(fresh, { force: true })
    const text = `${formatVm(record)}\n`
    // One that cannot be read again would refuse every start, and keep what its VM has from being given back.
    if (parseVm(text) === null) throw new Error('it has more in it than is read again')
    const file = openSync(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o644)
    try {
      const bytes = Buffer.from(text)
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at)
      // The umask of who started libvirtd may be 077, and QEMU's user reads it.
      fchmodSync(file, 0o644)
    } finally {
      closeSync(file)
    }
    renameSync(fresh, path)
  } catch (error) {
    discard(fresh)
    throw recordNotWritable({
      path,
      reason: errorCode(error) ?? (error instanceof Error ? error.message : String(error)),
    })
  }
}

function discard(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch {
    // What went wrong before is what is told.
  }
}
