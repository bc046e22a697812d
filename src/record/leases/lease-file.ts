import { constants, lstatSync } from 'node:fs'
import { readShortFile } from '../../host/short-file.js'
import { formatCpuSet, parseCpuSet } from '../../units/cpu-set.js'
import { parsePciAddress } from '../../units/pci-address.js'
import { type Lease, leaseToJson, parseLease } from '../runtime-plan.js'

/** What stands in a lease file. */
export interface LeaseFile extends Lease {
  readonly guest: string | null
  /** The process that becomes QEMU: its start tells it from a later one with the same number. */
  readonly launcher: { readonly pid: number; readonly startTicks: number }
  /** Whether QEMU goes on as a child of that process (`-daemonize`). */
  readonly daemonizes: boolean
}

/** A lease file as it lies in the directory. */
export interface FoundLease extends LeaseFile {
  readonly path: string
}

export function formatLeaseFile({ guest, launcher, daemonizes, ...lease }: LeaseFile): string {
  return `${JSON.stringify({ version: 1, guest, launcher, daemonizes, ...leaseToJson(lease) })}\n`
}

/** What the name of a lease file says: whoever looks at the leases of many VMs need not open each. */
export type NamedLease = Lease & Pick<LeaseFile, 'launcher'>

/** What a file's name may have (NAME_MAX of limits.h). */
const NAME_BYTES = 255

const SUFFIX = '.lease'

/**
 * The name of a lease file: `4711-83411-k3j2h1g0@4-7@0000:3b:02.1.lease`, and without what it holds where that would be
 * too much for a name.
 * @param id of the launch, which starts with the launcher's PID and when that started
 */
export function leaseFileName(id: string, { nics, cpus }: Lease): string {
  const name = `${id}@${formatCpuSet(cpus)}@${nics.join(',')}${SUFFIX}`
  return name.length <= NAME_BYTES ? name : `${id}${SUFFIX}`
}

export function isLeaseFileName(name: string): boolean {
  return name.endsWith(SUFFIX)
}

/** Reads a lease from its file's name; null when the name does not say what it holds. */
export function parseLeaseFileName(name: string): NamedLease | null {
  const [id = '', cpus, nics] = name.slice(0, -SUFFIX.length).split('@')
  const [, pid, startTicks] = /^(\d{1,15})-(\d{1,15})-/.exec(id) ?? []
  if (pid === undefined || startTicks === undefined || cpus === undefined || nics === undefined) return null
  const set = cpus === '' ? [] : parseCpuSet(cpus)
  const addresses = nics === '' ? [] : nics.split(',').map(parsePciAddress)
  if (set === null || addresses.includes(null)) return null
  return {
    launcher: { pid: Number(pid), startTicks: Number(startTicks) },
    cpus: set,
    nics: addresses.filter((address) => address !== null),
  }
}

/**
 * Reads a lease file. Other users may have written it, so links and pipes are not followed, no more is read than any
 * lease has, and nothing in it is taken for granted.
 * @returns null when it is not there or no lease
 */
export function readLeaseFile(path: string): FoundLease | null {
  const text = readShortFile(path, constants.O_NOFOLLOW | constants.O_NONBLOCK)
  const lease = text === null ? null : parseLeaseFile(text)
  return lease === null ? null : { ...lease, path }
}

/** Parses a lease file's text; null when it is none. */
export function parseLeaseFile(text: string): LeaseFile | null {
  try {
    const json = JSON.parse(text)
    const lease = parseLease(json)
    const { pid, startTicks } = json.launcher
    if (json.version !== 1 || lease === null || !Number.isInteger(pid) || !Number.isInteger(startTicks))
      return null
    return {
      ...lease,
      guest: typeof json.guest === 'string' ? json.guest : null,
      launcher: { pid, startTicks },
      // Whoever does not say may have.
      daemonizes: json.daemonizes !== false,
    }
  } catch {
    return null
  }
}

/** Device and inode of a lease file as the kernel writes them in /proc/locks, `00:1a:1234`; null when it is gone. */
export function lockNameOf({ path }: FoundLease): string | null {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  return stat === undefined ? null : lockName(stat.dev, stat.ino)
}

/** fs/locks.c, lock_get_status; makedev(3) for the numbers. */
function lockName(device: number, inode: number): string {
  const major = ((device >>> 8) & 0xfff) | (Math.floor(device / 2 ** 32) & 0xfffff000)
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00)
  const hex = (number: number) => number.toString(16).padStart(2, '0')
  return `${hex(major)}:${hex(minor)}:${inode}`
}
