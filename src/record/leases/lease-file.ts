import { closeSync, constants, openSync, unlinkSync, writeSync } from 'node:fs'
import { leaseNotWritable } from '../../errors/leases.js'
import { readShortFile } from '../../host/short-file.js'
import { errorCode } from '../../host/sysfs.js'
import type { Lease } from '../../plan/leases.js'
import { formatCpuSet, parseCpuSet } from '../../units/cpu-set.js'
import { parsePciAddress } from '../../units/pci-address.js'
import { asNumber, asObject, asText, parseObject } from '../untrusted-json.js'
import { formatVm, NEW_VM, type ProcessId, parseLease, parseVm, type VmRecord } from '../vm.js'

/** What the name of a lease file says: whoever looks at the leases of many VMs need not open each. */
export interface NamedLease extends Lease {
  readonly process: ProcessId
}

/** What a file's name may have (NAME_MAX of limits.h). */
const NAME_BYTES = 255

const SUFFIX = '.lease'

/**
 * The name of a lease file: `4711-83411-k3j2h1g0@4-7@0000:3b:02.1.lease`, and without what it holds where that would be
 * too much for a name.
 * @param id of the launch, which starts with the launcher's PID and when that started
 */
export function leaseFileName(id: string, lease: Lease | null): string {
  const { nics, cpus } = lease ?? { nics: [], cpus: [] }
  const name = `${id}@${formatCpuSet(cpus)}@${nics.join(',')}${SUFFIX}`
  return name.length <= NAME_BYTES ? name : `${id}${SUFFIX}`
}

export function isLeaseFileName(name: string): boolean {
  return name.endsWith(SUFFIX)
}

/** Reads a lease from its file's name; null when the name does not say what it holds. */
export function parseLeaseFileName(name: string): NamedLease | null {
  const [id = '', cpus, nics, ...more] = name.slice(0, -SUFFIX.length).split('@')
  const process = processOfId(id)
  if (process === null || cpus === undefined || nics === undefined || more.length > 0) return null
  const set = cpus === '' ? [] : parseCpuSet(cpus)
  const addresses = nics === '' ? [] : nics.split(',').map(parsePciAddress)
  if (set === null || addresses.includes(null)) return null
  return { process, cpus: set, nics: addresses.filter((address) => address !== null) }
}

/** The launcher of a launch, by its id; null when it is no id of a launch. */
function processOfId(id: string): ProcessId | null {
  const [, pid, startTicks] = /^(\d{1,15})-(\d{1,15})-/.exec(id) ?? []
  return pid === undefined || startTicks === undefined
    ? null
    : { pid: Number(pid), startTicks: Number(startTicks), namespace: null }
}

/**
 * Reads a lease file. Other users may have written it, so links and pipes are not followed, no more is read than any
 * lease has, and nothing in it is taken for granted.
 * @returns null when it is not there or no record
 */
export function readLeaseFile(path: string): VmRecord | null {
  const text = readShortFile(path, constants.O_NOFOLLOW | constants.O_NONBLOCK)
  return text === null ? null : (parseVm(text) ?? parseFirstForm(text))
}

/** A lease of qemu-rt 0.1, which VMs that run and captured hosts may still have: who and what, and no plan. */
function parseFirstForm(text: string): VmRecord | null {
  const json = parseObject(text)
  const lease = parseLease(json)
  const pid = asNumber(asObject(json?.launcher).pid)
  const startTicks = asNumber(asObject(json?.launcher).startTicks)
  if (json?.version !== 1 || lease === null || pid === null || startTicks === null) return null
  const process = { pid, startTicks, namespace: null }
  return {
    ...NEW_VM,
    id: `${pid}-${startTicks}`,
    guest: { name: asText(json.guest), uuid: null },
    process,
    lease,
  }
}

/**
 * Writes a lease into a directory of this user's.
 * @returns the file
 * @throws {UserError} exit 77 when it cannot be written; nothing is left then
 */
export function writeLeaseFile(directory: string, record: VmRecord): string {
  const path = `${directory}/${leaseFileName(record.id, record.lease)}`
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
  let isMade = false
  try {
    const file = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o640)
    isMade = true
    try {
      const bytes = Buffer.from(`${formatVm(record)}\n`)
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at)
    } finally {
      closeSync(file)
    }
    return path
  } catch (error) {
    if (isMade) removeLeaseFile(path)
    throw leaseNotWritable({ path, reason: errorCode(error) ?? String(error) })
  }
}

/** Takes a lease of this user's away; one that has gone already is no trouble. */
export function removeLeaseFile(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // Gone already.
  }
}
