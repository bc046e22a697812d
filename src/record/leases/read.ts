import { lstatSync, readFileSync } from 'node:fs'
import { parseStat, readProc } from '../../host/proc.js'
import { errorCode, listDirectory } from '../../host/sysfs.js'
import type { HeldLease } from '../../plan/leases.js'
import { readHookHolds } from '../hook-requests.js'
import { leaseDirectory } from './directory.js'
import {
  type FoundLease,
  isLeaseFileName,
  lockNameOf,
  type NamedLease,
  parseLeaseFileName,
  readLeaseFile,
} from './lease-file.js'

/** Leases as they lie in the directory: those that are held, and those whose QEMU has ended. */
export interface Leases {
  readonly held: readonly HeldLease[]
  readonly ended: readonly FoundLease[]
}

/**
 * Reads all leases. One is held while the process lives that the launcher was and QEMU is. Where QEMU goes on as a child
 * of it, the lock on the file says whether that child lives.
 * @param alive `assume`: take all for held, on a captured host whose processes are not here
 */
export function readLeases(sysroot: string, alive: 'check' | 'assume'): Leases {
  const found = readFiles(findFiles(sysroot, alive))
  if (alive === 'check') return withHooks(sysroot, sortByLife(found))
  return withHooks(sysroot, { held: found.map((lease) => describe(lease, false)), ended: [] })
}

/**
 * As `readLeases` with `check`, but opens no lease of a launcher that is alive, of which there may be hundreds: the names
 * of the files say what these hold, and not for whom.
 */
export function glanceAtLeases(sysroot: string): Leases {
  const alive: HeldLease[] = []
  const others: LeasePath[] = []
  for (const file of findFiles(sysroot, 'check')) {
    const named = parseLeaseFileName(file.name)
    if (named === null || startOf(named.launcher.pid) !== named.launcher.startTicks) others.push(file)
    else alive.push(describe({ guest: null, ...named }, true))
  }
  const { held, ended } = sortByLife(readFiles(others))
  return withHooks(sysroot, { held: [...alive, ...held], ended })
}

function withHooks(sysroot: string, { held, ended }: Leases): Leases {
  return { held: [...held, ...readHookHolds(sysroot)], ended }
}

function sortByLife(found: readonly FoundLease[]): Leases {
  const seen = found.map((lease) => ({ lease, life: lifeOf(lease.launcher) }))
  const locked = seen.some(needsLock) ? readLocks() : new Set<string | null>()
  const states = seen.map(({ lease, life }) => {
    const isAlive = life === 'alive'
    return {
      lease,
      isAlive,
      isHeld: isAlive || (needsLock({ lease, life }) && locked.has(lockNameOf(lease))),
    }
  })
  const held = states.filter(({ isHeld }) => isHeld)
  return {
    held: held.map(({ lease, isAlive }) => describe(lease, isAlive)),
    ended: states.filter(({ isHeld }) => !isHeld).map(({ lease }) => lease),
  }
}

interface LeasePath {
  readonly directory: string
  readonly name: string
}

function readFiles(files: readonly LeasePath[]): FoundLease[] {
  return files.flatMap(({ directory, name }) => readLeaseFile(`${directory}/${name}`) ?? [])
}

function findFiles(sysroot: string, alive: 'check' | 'assume'): LeasePath[] {
  const leases = leaseDirectory(sysroot)
  const users = (listDirectory(leases) ?? []).filter((name) => /^\d+$/.test(name))
  return users.flatMap((user) => {
    const directory = `${leases}/${user}`
    // A captured host's files are whose who has unpacked it.
    if (alive === 'check' && !isOf(directory, Number(user))) return []
    return (listDirectory(directory) ?? []).filter(isLeaseFileName).map((name) => ({ directory, name }))
  })
}

/** A link, or a directory that another user has made in this one's name, would lead us to files of its choice. */
function isOf(directory: string, uid: number): boolean {
  const stat = lstatSync(directory, { throwIfNoEntry: false })
  return stat?.isDirectory() === true && stat.uid === uid
}

function describe(
  { guest, launcher, nics, cpus }: NamedLease & Pick<HeldLease, 'guest'>,
  isAlive: boolean,
): HeldLease {
  return { guest, pid: isAlive ? launcher.pid : 0, nics, cpus }
}

/** Whether only the lock on its file can tell that a lease is held. */
function needsLock({ lease, life }: { readonly lease: FoundLease; readonly life: Life }): boolean {
  return life === 'unknown' || (life === 'ended' && lease.daemonizes)
}

/**
 * Device and inode of every locked file of this host: `1: FLOCK ADVISORY WRITE 812 00:19:1409 0 EOF` (proc(5)).
 * The kernel takes 8 ms for it, as it has to wait for every CPU (fs/locks.c, locks_start).
 */
function readLocks(): Set<string> {
  const fields = readFileSync('/proc/locks', 'latin1')
    .split('\n')
    .map((lock) => lock.split(' ').filter((field) => field !== ''))
  return new Set(fields.flatMap((lock) => (lock.includes('FLOCK') ? (lock.at(-3) ?? []) : [])))
}

type Life = 'alive' | 'ended' | 'unknown'

/** Unknown is a process of another user behind a /proc that hides them (proc(5), hidepid), and one that is ending. */
function lifeOf({ pid, startTicks }: FoundLease['launcher']): Life {
  const started = startOf(pid)
  if (started !== null) return started === startTicks ? 'alive' : 'ended'
  return isThere(pid) ? 'unknown' : 'ended'
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return errorCode(error) === 'EPERM'
  }
}

/** When a process started, in clock ticks after boot; null when there is none, or one that has ended already. */
export function startOf(pid: number): number | null {
  const stat = parseStat(readProc(`/proc/${pid}/stat`) ?? '')
  return stat === null || stat.state === 'Z' ? null : stat.field(22)
}
