import { apply, type Refusal } from '../change/threads.js'
import type { Policy } from '../config/policy.js'
import { noSuchProcess } from '../errors/tune.js'
import { isSameProcess } from '../host/process.js'
import { readAttribute } from '../host/sysfs.js'
import { profileNamed } from '../plan/ask.js'
import { placesThreads } from '../plan/threads/plan-threads.js'
import { countVcpus } from '../plan/threads/smp.js'
import type { ThreadPlan } from '../plan/threads/thread-plan.js'
import type { ProcessId } from '../record/vm.js'
import { parseCpuSet } from '../units/cpu-set.js'
import { deviationsFrom } from './deviations.js'
import { planFromProfile } from './from-profile.js'
import { type Expected, missingRoles } from './missing.js'
import { planWithPlugged } from './plugged.js'
import { readQemuThreads } from './processes.js'
import type { Role } from './roles.js'
import type { Selector } from './selectors.js'
import type { RunningQemu } from './targets.js'
import type { Thread } from './threads.js'
import {
  checkCpusExist,
  checkMainThreadRuns,
  checkToldApart,
  type Wanted,
  wantedByPlan,
  wantedBySelectors,
} from './wanted.js'

/** Where the settings come from: the VM's record (with the policy, for vCPUs that were plugged since), a profile of the configuration, or selectors. */
export type Source =
  | { readonly kind: 'plan'; readonly policy: () => Promise<Policy> }
  | { readonly kind: 'profile'; readonly name: string; readonly policy: Policy }
  | { readonly kind: 'selectors'; readonly selectors: readonly Selector[] }

/** Says what each thread of a QEMU is to get. */
export interface Settings {
  /** Given its threads now. */
  readonly wanted: (threads: readonly Thread[]) => Wanted[]
  /** The threads that must be there; null where only those that are there are meant. */
  readonly expected: Expected | null
}

/** What a plan says of a QEMU's threads. */
export function settingsOfPlan(plan: ThreadPlan, vcpusAtStart: number): Settings {
  return { wanted: (threads) => wantedByPlan(threads, plan), expected: { plan, vcpusAtStart } }
}

/**
 * Finds out what a QEMU's threads are to get. CPUs that a profile hands out, or gives to real-time vCPUs, are leased for
 * as long as this QEMU lives, and those of vCPUs that were plugged with `hotplug = "later"`.
 * @param isDryRun takes no lease
 * @returns null when nothing says what they are to get
 * @throws {UserError} what `planThreads` and `checkToldApart` throw
 */
export async function settingsFor(
  target: RunningQemu,
  source: Source,
  isDryRun: boolean,
): Promise<Settings | null> {
  if (source.kind === 'selectors') {
    const present = parseCpuSet(readAttribute('/sys/devices/system/cpu/present') ?? '') ?? []
    return {
      wanted(threads) {
        const wanted = wantedBySelectors(threads, target, source.selectors)
        checkCpusExist(wanted, present)
        return wanted
      },
      expected: null,
    }
  }
  const hasThreads =
    source.kind === 'plan'
      ? target.record?.threads != null
      : placesThreads(profileNamed(source.policy, source.name).settings)
  if (hasThreads) checkToldApart(readQemuThreads(target.pid, { kernels: 'none' }) ?? [], target.line)
  const plan =
    source.kind === 'plan'
      ? await planWithPlugged(target, source.policy, isDryRun)
      : await planFromProfile(target, source, isDryRun)
  if (plan === null) return null
  return settingsOfPlan(plan, target.record?.vcpusAtStart ?? countVcpus(target.line ?? []).present)
}

/** A process that was found, which another one with its number is not. */
type NumberedProcess = Pick<ProcessId, 'pid' | 'startTicks'>

/** What became of a QEMU's threads. */
export interface Tuned {
  readonly before: readonly Wanted[]
  readonly refusals: readonly Refusal[]
  /** Threads of the plan that were not found. */
  readonly missing: readonly Role[]
}

/** How often what differs is set: the kernel may take less than it is asked for, and threads come and go. */
const ATTEMPTS = 3

/**
 * Sets a QEMU's threads and looks whether they are so.
 * @throws {UserError} see `lookAndCheck`
 */
export async function tune(qemu: NumberedProcess, settings: Settings): Promise<Tuned> {
  const before = lookAndCheck(qemu, settings)
  const missing = missingAmong(before, settings)
  let refusals: Refusal[] = []
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const different = deviationsFrom(look(qemu, settings))
    if (different.length === 0) return { before, refusals: [], missing }
    refusals = await apply(different)
  }
  const refused = new Set(refusals.map(({ deviation: { thread } }) => thread.tid))
  const narrowed = deviationsFrom(look(qemu, settings)).filter(({ thread }) => !refused.has(thread.tid))
  return { before, refusals: [...refusals, ...narrowed.map(narrowedBy)], missing }
}

/** Threads of the plan that are not among those that were found. */
export function missingAmong(wanted: readonly Wanted[], { expected }: Settings): Role[] {
  const roles = wanted.map(({ role }) => role)
  return expected === null ? [] : missingRoles(roles, expected)
}

/**
 * What is wanted now, with nothing set.
 * @throws {UserError} exit 69 when QEMU has ended, or a real-time vCPU would starve its main thread
 */
export function lookAndCheck(qemu: NumberedProcess, settings: Settings): Wanted[] {
  const wanted = look(qemu, settings)
  checkMainThreadRuns(wanted)
  return wanted
}

function look(qemu: NumberedProcess, settings: Settings): Wanted[] {
  const threads = readQemuThreads(qemu.pid)
  // Each thread is known by its start time from here on: these are the threads of the process that was meant.
  if (threads === null || !isSameProcess(qemu)) throw noSuchProcess({ pid: String(qemu.pid) })
  return settings.wanted(threads)
}

/** The kernel said nothing, and yet it is not so. */
export function narrowedBy(deviation: Refusal['deviation']): Refusal {
  const aspect = deviation.differs[0] ?? 'cpus'
  return { deviation, aspect, reason: 'narrowed', message: 'it does not stay so' }
}
