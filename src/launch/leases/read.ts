import { readFileSync } from 'node:fs'
import { parseStat, readProc } from '../../host/proc.js'
import { listDirectory } from '../../host/sysfs.js'
import type { HeldLease } from '../../plan/leases.js'
import { readHookHolds } from '../hook-requests.js'
import { leaseDirectory } from './directory.js'
import { type FoundLease, readLeaseFile } from './lease-file.js'

/** Leases as they lie in the directory: those that are held, and those whose QEMU has ended. */
export interface Leases {
  readonly held: readonly HeldLease[]
  readonly ended: readonly FoundLease[]
}

/**
 * Reads all leases. One is held as long as a process has its file locked, which QEMU does until it ends; before that,
 * while the launcher that becomes QEMU lives.
 * @param alive `assume`: take all for held, on a captured host whose processes are not here
 */
export function readLeases(sysroot: string, alive: 'check' | 'assume'): Leases {
  const found = findLeases(leaseDirectory(sysroot))
  const byHook = readHookHolds(sysroot)
  if (alive === 'assume') {
    return { held: [...found.map((lease) => describe(lease, false)), ...byHook], ended: [] }
  }
  const locked = found.length === 0 ? new Set<string>() : readLocks()
  const states = found.map((lease) => {
    const isAlive = lives(lease.launcher)
    return { lease, isAlive, isHeld: isAlive || locked.has(lease.lockName) }
  })
  const held = states.filter(({ isHeld }) => isHeld)
  return {
    held: [...held.map(({ lease, isAlive }) => describe(lease, isAlive)), ...byHook],
    ended: states.filter(({ isHeld }) => !isHeld).map(({ lease }) => lease),
  }
}

function findLeases(directory: string): FoundLease[] {
  const users = (listDirectory(directory) ?? []).filter((name) => /^\d+$/.test(name))
  return users.flatMap((user) => {
    const files = (listDirectory(`${directory}/${user}`) ?? []).filter((name) => name.endsWith('.lease'))
    return files.flatMap((file) => readLeaseFile(`${directory}/${user}/${file}`) ?? [])
  })
}

function describe({ guest, launcher, nics, cpus }: FoundLease, isAlive: boolean): HeldLease {
  return { guest, pid: isAlive ? launcher.pid : 0, nics, cpus }
}

/** Device and inode of every locked file of this host (proc(5), /proc/locks). */
function readLocks(): Set<string> {
  const text = readFileSync('/proc/locks', 'latin1')
  return new Set([...text.matchAll(/ FLOCK .* ([0-9a-f]+:[0-9a-f]+:\d+) /g)].map(([, name = '']) => name))
}

function lives({ pid, startTicks }: FoundLease['launcher']): boolean {
  return startOf(pid) === startTicks
}

/** When a process started, in clock ticks after boot; null when there is none, or one that has ended already. */
export function startOf(pid: number): number | null {
  const stat = parseStat(readProc(`/proc/${pid}/stat`) ?? '')
  return stat === null || stat.state === 'Z' ? null : stat.field(22)
}
