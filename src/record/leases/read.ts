import { lstatSync } from 'node:fs'
import { listDirectory } from '../../host/sysfs.js'
import type { HeldLease, Lease } from '../../plan/leases.js'
import { leaseDirectory } from '../place.js'
import { readRootsHolds } from '../root/records.js'
import type { ProcessId, VmRecord } from '../vm.js'
import { isAlive, type LeasePath, makeHeldCheck, pathOf } from './held.js'
import { isLeaseFileName, parseLeaseFileName, readLeaseFile } from './lease-file.js'

/** What VMs hold, and the files of those leases whose QEMU has ended. */
export interface Leases {
  readonly held: readonly HeldLease[]
  readonly ended: readonly LeasePath[]
}

/**
 * Reads what VMs hold: by root's records, and by the users' leases.
 * @param alive `assume`: take all for held, on a captured host whose processes are not here
 * @throws {UserError} exit 77 for a record of root's that cannot be read
 */
export function readLeases(sysroot: string, alive: 'check' | 'assume'): Leases {
  return withRoots(sysroot, sortByLife(findLeases(sysroot, alive), alive, readWhole))
}

/**
 * As `readLeases` with `check`, but opens no lease of a launcher that is alive, of which there may be hundreds: the names
 * of the files say what these hold, and not for whom.
 */
export function glanceAtLeases(sysroot: string): Leases {
  return withRoots(sysroot, sortByLife(findLeases(sysroot, 'check'), 'check', readName))
}

/**
 * What counts for root alone: its own records and leases. What other users say that they hold need not be so.
 */
export function readRootsLeases(sysroot: string): HeldLease[] {
  return [...readRootsLaunches(sysroot), ...readRootsHolds(sysroot)]
}

/** What root's own launches hold, without its records. No other user's directory is looked at: there may be any number. */
export function readRootsLaunches(sysroot: string): readonly HeldLease[] {
  return sortByLife(leasesOf(leaseDirectory(sysroot), '0', 'check'), 'check', readName).held
}

function readName(file: LeasePath): Holding | null {
  const named = parseLeaseFileName(file.name)
  return named === null ? readWhole(file) : { guest: null, ...named }
}

/** How long, and in how many files, root looks at what users say. */
const USERS_MS = 500
const MOST_CLAIMS = 256

/**
 * What the users' launches hold, without root's records.
 * @param except users whose word does not count
 */
export function readUsersHolds(sysroot: string, except: readonly number[]): HeldLease[] {
  const check = makeHeldCheck()
  const held: HeldLease[] = []
  const end = Date.now() + USERS_MS
  let left = MOST_CLAIMS
  // What users say is kept away from where that costs nothing: beyond the time it is passed over.
  for (const file of findLeases(sysroot, 'check', end)) {
    if (except.includes(file.user)) continue
    if (left-- === 0 || Date.now() > end) break
    const holding = readWhole(file)
    if (holding !== null && check(file, holding.process)) held.push(describe(holding, file, 'check'))
  }
  return held
}

/** How long records of users are read, in milliseconds. */
const SHOWN_MS = 2000

/** Records of VMs that users have launched and that still run, each with its user: that one's word, and nothing more. */
export function readUsersRecords(
  sysroot: string,
): { readonly user: number; readonly record: VmRecord & { readonly process: ProcessId } }[] {
  const end = Date.now() + SHOWN_MS
  return [...findLeases(sysroot, 'check', end)].flatMap((file) => {
    // A user may leave any number of them, of any size.
    if (Date.now() > end) return []
    const record = readLeaseFile(pathOf(file))
    if (record?.process == null || !isAlive(record.process, file.user)) return []
    return [{ user: file.user, record: { ...record, process: record.process } }]
  })
}

interface Holding extends Lease {
  readonly guest: string | null
  readonly process: ProcessId | null
}

function withRoots(sysroot: string, { held, ended }: Leases): Leases {
  return { held: [...held, ...readRootsHolds(sysroot)], ended }
}

function sortByLife(
  files: Iterable<LeasePath>,
  alive: 'check' | 'assume',
  read: (file: LeasePath) => Holding | null,
): Leases {
  const check = makeHeldCheck()
  const held: HeldLease[] = []
  const ended: LeasePath[] = []
  for (const file of files) {
    const holding = read(file)
    if (alive === 'check' && !check(file, holding?.process ?? null)) ended.push(file)
    else if (holding !== null) held.push(describe(holding, file, alive))
  }
  return { held, ended }
}

/** A file that is no record says by its name what it holds, if anything does. */
function readWhole(file: LeasePath): Holding | null {
  const record = readLeaseFile(pathOf(file))
  const named = parseLeaseFileName(file.name)
  if (record === null) return named === null ? null : { guest: null, ...named }
  const lease = record.lease ?? { nics: [], cpus: [] }
  return { guest: record.guest.name, process: record.process, ...lease }
}

function describe(
  { guest, process, nics, cpus }: Holding,
  { user }: LeasePath,
  alive: 'check' | 'assume',
): HeldLease {
  const isHere = alive === 'check' && process !== null && isAlive(process, user)
  return { guest, pid: isHere ? process.pid : 0, nics, cpus }
}

/** @param until when it ends, although there are more, in milliseconds since 1970: one user can make any number of directories */
function* findLeases(
  sysroot: string,
  alive: 'check' | 'assume',
  until = Number.POSITIVE_INFINITY,
): Generator<LeasePath> {
  const leases = leaseDirectory(sysroot)
  for (const name of listDirectory(leases) ?? []) {
    if (Date.now() > until) return
    if (/^\d{1,10}$/.test(name)) yield* leasesOf(leases, name, alive)
  }
}

/** @param name of the user's directory, which is its number */
function leasesOf(leases: string, name: string, alive: 'check' | 'assume'): LeasePath[] {
  const user = Number(name)
  const directory = `${leases}/${name}`
  // A captured host's files are whose who has unpacked it.
  if (alive === 'check' && !isOf(directory, user)) return []
  const files = (listDirectory(directory) ?? []).filter(isLeaseFileName)
  return files.slice(0, MOST_LEASES).map((file) => ({ user, directory, name: file }))
}

/** More VMs than one user runs on a host. Who leaves more files keeps only its own VMs from being known. */
const MOST_LEASES = 4096

/** A link, or a directory that another user has made in this one's name, would lead us to files of its choice. */
function isOf(directory: string, user: number): boolean {
  try {
    const stat = lstatSync(directory, { throwIfNoEntry: false })
    return stat?.isDirectory() === true && stat.uid === user
  } catch {
    // Its user has mounted something on it (FUSE is closed to root, too), or exchanges it all the time.
    return false
  }
}
