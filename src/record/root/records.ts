import { lstatSync, readdirSync, rmSync } from 'node:fs'
import { recordNotReadable } from '../../errors/record.js'
import { UserError } from '../../errors/user-error.js'
import { isSameProcess, pidNamespace } from '../../host/process.js'
import { errorCode } from '../../host/sysfs.js'
import type { HeldLease } from '../../plan/leases.js'
import { rootsDirectory } from '../place.js'
import type { ProcessId, VmRecord } from '../vm.js'
import { ensureRootsDirectory } from './directory.js'
import { readRecord, writeRecord } from './file.js'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

const SUFFIX = '.json'

/**
 * The id of a domain's record, which is its file's name, too. It is also the name of the domain's AppArmor profile, so that
 * this can let a domain read its own record alone (libvirt src/security/security_apparmor.c, AA_PREFIX).
 * @returns null when it is no UUID
 */
export function domainRecordId(uuid: string | null): string | null {
  const name = uuid?.toLowerCase() ?? ''
  return UUID.test(name) ? `libvirt-${name}` : null
}

/** The id of the record of a QEMU that root has tuned and nobody else keeps a record of. */
export function processRecordId({ pid, startTicks }: ProcessId): string {
  return `pid-${pid}-${startTicks}`
}

/**
 * Root's record of a domain.
 * @returns null when there is none
 * @throws {UserError} exit 77 when it is there and cannot be read
 */
export function readDomainRecord(sysroot: string, uuid: string | null): VmRecord | null {
  const id = domainRecordId(uuid)
  const record = id === null ? null : readRecord(pathOf(sysroot, id), sysroot)
  if (record !== null && record.id !== id) {
    throw recordNotReadable({ path: pathOf(sysroot, id ?? ''), reason: 'it is of another VM' })
  }
  return record
}

/**
 * Root's record of an id.
 * @returns null when there is none
 * @throws {UserError} exit 77 when it is there and cannot be read
 */
export function readRootsRecord(sysroot: string, id: string): VmRecord | null {
  const record = readRecord(pathOf(sysroot, id), sysroot)
  return record?.id === id ? record : null
}

/**
 * All of root's records, by their names.
 * @param whenBad what is done about one that cannot be read; nothing, unless it is said: what it holds is not known then
 * @throws {UserError} exit 77 for one that cannot be read, and when the directory is closed to this user
 */
export function readRootsRecords(
  sysroot: string,
  whenBad: (error: UserError) => void = (error) => {
    throw error
  },
): VmRecord[] {
  const names = listRecords(sysroot).filter((name) => /^[\w-]+\.json$/.test(name))
  return names.sort().flatMap((name) => {
    try {
      return readRecord(pathOf(sysroot, name.slice(0, -SUFFIX.length)), sysroot) ?? []
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      whenBad(error)
      return []
    }
  })
}

/** What VMs hold by root's records. One that could not be read holds nobody knows what, which refuses to be passed over. */
export function readRootsHolds(sysroot: string): HeldLease[] {
  return readRootsRecords(sysroot).flatMap((record) => {
    const { id, guest, process, lease } = record
    if (lease === null || (sysroot === '/' && isOver(record))) return []
    return [{ guest: guest.name, pid: process?.pid ?? 0, record: id, ...lease }]
  })
}

/**
 * Whether nothing is left of a VM that others could not have: its interrupts are no such thing. Seen from another PID namespace
 * its process may live all the same.
 */
export function isOver({ process, undo }: VmRecord): boolean {
  const isTaken = undo.some(({ driver, node }) => driver !== undefined || node !== undefined)
  return process !== null && !isTaken && process.namespace === pidNamespace() && !isSameProcess(process)
}

/** @throws {UserError} exit 77 when it cannot be written */
export function writeRootsRecord(sysroot: string, record: VmRecord): void {
  ensureRootsDirectory(sysroot)
  writeRecord(pathOf(sysroot, record.id), record)
}

/** How long ago a record was written, in milliseconds; null when it is not there. */
export function ageOfRecord(sysroot: string, { id }: Pick<VmRecord, 'id'>): number | null {
  const written = lstatSync(pathOf(sysroot, id), { throwIfNoEntry: false })?.mtimeMs
  return written === undefined ? null : Date.now() - written
}

/** Takes a record away, if it is there. */
export function removeRootsRecord(sysroot: string, { id }: Pick<VmRecord, 'id'>): void {
  rmSync(pathOf(sysroot, id), { force: true })
}

function pathOf(sysroot: string, id: string): string {
  return `${rootsDirectory(sysroot)}/${id}${SUFFIX}`
}

/** @throws {UserError} exit 77 when it may be there and this user may not look */
function listRecords(sysroot: string): string[] {
  const path = rootsDirectory(sysroot)
  try {
    return readdirSync(path)
  } catch (error) {
    const code = errorCode(error) ?? String(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return []
    throw recordNotReadable({ path, reason: code })
  }
}
