import type { CommandLine } from '../argv/command-line.js'
import { badPid, noSuchDomain, noSuchProcess, noTarget, notQemu } from '../errors/tune.js'
import { isSameProcess, ownerOf, startOf } from '../host/process.js'
import { processOfDomain } from '../libvirt/domain-process.js'
import type { ThreadObject } from '../plan/threads/thread-objects.js'
import { readArguments } from './arguments.js'
import { findRecorded, listPids, type RecordedVm } from './processes.js'
import { isQemu, programOf } from './program.js'

/** A QEMU that runs, started by the wrapper or not. */
export interface RunningQemu {
  readonly pid: number
  /** When it started, in clock ticks after boot: another process with its number is not the one that was found. */
  readonly startTicks: number
  /** Its arguments: its own word, which it may change at any time; null when they cannot be read, see `parseArguments`. */
  readonly line: CommandLine | null
  /** Its objects whose threads have no name of their own. */
  readonly unnamed: readonly ThreadObject[]
  readonly guest: string | null
  /** What is kept of it, by somebody whose word counts for this user; null when that is nothing. */
  readonly record: RecordedVm | null
}

export interface TargetOptions {
  readonly pid?: string
  readonly domain?: string
  readonly all?: boolean
}

/**
 * Finds the QEMUs that a person means: one by PID, those of a guest's name, or all that have a record.
 *
 * Root goes by its own records, and for a name also by what libvirtd says of its domains: any user may run something that
 * looks like the QEMU of a guest. Another user goes by its own processes.
 * @throws {UserError} exit 64 when nobody says which, 69 when there is none
 */
export function findTargets({ pid, domain, all }: TargetOptions): RunningQemu[] {
  if ([pid, domain, all].filter((given) => given !== undefined).length !== 1) throw noTarget()
  const user = process.geteuid?.() ?? 0
  const everyones = findRecorded()
  const recorded = everyones.filter(({ word }) => word === user)
  if (all) return recorded.flatMap((record) => describeQemu(record.process.pid, record) ?? [])
  if (pid !== undefined) return [targetOfPid(pid, recorded, everyones)]
  const name = domain ?? ''
  const known = user === 0 ? rootsDomains(name, recorded) : usersQemus(user, recorded)
  const named = known.filter(({ guest }) => guest === name)
  if (named.length > 0) return named
  throw noSuchDomain({ name, known: known.flatMap(({ guest }) => guest ?? []), isRoot: user === 0 })
}

/**
 * A mistyped number must not set another program's threads, all of which would count as the emulator's.
 * @param everyones the VMs that anybody has a record of: enough to say that a process is a QEMU, whatever it is called
 */
function targetOfPid(
  text: string,
  recorded: readonly RecordedVm[],
  everyones: readonly RecordedVm[],
): RunningQemu {
  if (!/^\d{1,10}$/.test(text)) throw badPid({ pid: text })
  const pid = Number(text)
  const isOf = (record: RecordedVm) => record.process.pid === pid
  const target = describeQemu(pid, recorded.find(isOf) ?? null)
  if (target === null) throw noSuchProcess({ pid: text })
  if (!everyones.some(isOf) && !isQemu(pid, target.line ?? []))
    throw notQemu({ pid, program: programOf(pid) })
  return target
}

/** What root takes for VMs: those that it has a record of, and the domain of a name that libvirt says is running. */
function rootsDomains(name: string, recorded: readonly RecordedVm[]): RunningQemu[] {
  // A record that `tune` has made has the name that QEMU gives itself.
  const named = recorded.filter(({ id }) => !id.startsWith('pid-'))
  const known = named.flatMap((record) => describeQemu(record.process.pid, record) ?? [])
  if (known.some(({ guest }) => guest === name)) return known
  const pid = processOfDomain(name)?.pid
  const record = recorded.find(({ process }) => process.pid === pid) ?? null
  const found = pid === undefined ? null : describeQemu(pid, record)
  return found === null ? known : [...known, { ...found, guest: name }]
}

/** A user's own QEMUs, by what they run or by a record. */
function usersQemus(user: number, recorded: readonly RecordedVm[]): RunningQemu[] {
  return listPids().flatMap((pid) => {
    if (ownerOf(pid) !== user) return []
    const record = recorded.find(({ process }) => process.pid === pid) ?? null
    const found = describeQemu(pid, record)
    return found !== null && (record !== null || isQemu(pid, found.line ?? [])) ? [found] : []
  })
}

/** How long QEMUs without a record are looked for, and how many are shown: any user may have any number of processes. */
const SHOWN_MS = 2000
const MOST_SHOWN = 1024

/**
 * The QEMUs without a record that this user may look at, for display: what tells them is their own word, so that a process
 * whose arguments cannot be read is none. They are not kept, since they may be long.
 * @param recorded the VMs that have one
 */
export function findUnrecorded(
  recorded: readonly RecordedVm[],
): Pick<RunningQemu, 'pid' | 'guest' | 'unnamed'>[] {
  const user = process.geteuid?.() ?? 0
  const known = new Set(recorded.map((record) => record.process.pid))
  const end = Date.now() + SHOWN_MS
  const found: Pick<RunningQemu, 'pid' | 'guest' | 'unnamed'>[] = []
  for (const pid of listPids()) {
    if (Date.now() > end || found.length === MOST_SHOWN) break
    if (known.has(pid) || (user !== 0 && ownerOf(pid) !== user)) continue
    const one = describeQemu(pid, null)
    if (one?.line == null || !isQemu(pid, one.line)) continue
    const { guest, unnamed } = one
    found.push({ pid, guest, unnamed })
  }
  return found
}

/** @returns null for a process that has ended: no arguments that it can give itself hide one that runs */
function describeQemu(pid: number, record: RecordedVm | null): RunningQemu | null {
  const startTicks = startOf(pid)
  const given = readArguments(pid)
  if (startTicks === null || startOf(pid) !== startTicks) return null
  // The process of the record has ended since it was read, and this is another one.
  if (record !== null && record.process.startTicks !== startTicks) return null
  const guest = record === null ? (given?.guest ?? null) : record.guest.name
  const unnamed = given?.unnamed ?? record?.threads?.unnamed ?? []
  return { pid, startTicks, line: given?.line ?? null, unnamed, guest, record }
}

/**
 * Checks that a target runs still: what was done since it was found may have taken long, as its QEMU likes, and another
 * process has the number then.
 * @throws {UserError} exit 69
 */
export function checkSame(target: Pick<RunningQemu, 'pid' | 'startTicks'>): void {
  if (!isSameProcess(target)) throw noSuchProcess({ pid: String(target.pid) })
}

/** A QEMU in a message: `guest 'plc-1' (PID 4711)`. */
export function describeTarget({ guest, pid }: Pick<RunningQemu, 'guest' | 'pid'>): string {
  return guest === null ? `PID ${pid}` : `guest '${guest}' (PID ${pid})`
}
