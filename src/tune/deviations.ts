import type { ThreadPlan, ThreadSetting } from '../plan/threads/thread-plan.js'
import { isRealtime } from '../plan/threads/thread-plan.js'
import { formatCpuSet, subtractCpuSets } from '../units/cpu-set.js'
import type { Role } from './roles.js'
import type { Thread } from './threads.js'
import { type Wanted, wantedByPlan } from './wanted.js'

/** A thread that is not as it is to be. */
export interface Deviation {
  readonly thread: Thread
  readonly role: Role
  readonly setting: ThreadSetting
  /** What of it is different: CPUs are set before the policy. */
  readonly differs: readonly Aspect[]
}

export type Aspect = 'cpus' | 'policy'

/**
 * Compares threads with their plan.
 * @param threads oldest first, see `readQemuThreads`
 */
export function deviations(threads: readonly Thread[], plan: ThreadPlan): Deviation[] {
  return deviationsFrom(wantedByPlan(threads, plan))
}

/** The threads that are not as they are wanted. */
export function deviationsFrom(wanted: readonly Wanted[]): Deviation[] {
  return wanted.flatMap(({ thread, role, setting }) =>
    setting === null ? [] : deviation(thread, role, setting),
  )
}

/** A list of one when a thread is not as a setting says, else of none. */
export function deviation(thread: Thread, role: Role, setting: ThreadSetting): Deviation[] {
  const differs = (['cpus', 'policy'] as const).filter((aspect) => !isAs[aspect](thread, setting))
  return differs.length === 0 ? [] : [{ thread, role, setting, differs }]
}

const isAs: Readonly<Record<Aspect, (thread: Thread, setting: ThreadSetting) => boolean>> = {
  cpus: (thread, { cpus }) =>
    cpus === null || thread.isBound === true || formatCpuSet(cpus) === formatCpuSet(thread.cpus),
  policy: (thread, setting) =>
    setting.policy === null ||
    isKeptOutside(thread, setting) ||
    (thread.policy === setting.policy &&
      (!isRealtime(setting) || thread.priority === (setting.priority ?? thread.priority))),
}

/**
 * A thread that the kernel keeps on other CPUs than the plan has for it is not made real-time there: QEMU chooses the CPU of a
 * ring's own thread (io_uring_setup(2), IORING_SETUP_SQ_AFF), and the names of all its threads.
 */
function isKeptOutside({ isBound, cpus }: Thread, setting: ThreadSetting): boolean {
  return (
    isBound === true &&
    isRealtime(setting) &&
    setting.cpus !== null &&
    subtractCpuSets(cpus, setting.cpus).length > 0
  )
}
