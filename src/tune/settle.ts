import { isRealtime } from '../plan/threads/thread-plan.js'
import type { Deviation } from './deviations.js'
import { rolesOf } from './roles.js'
import { readCpuGroup, sharesRealtimeByGroup } from './thread-groups.js'
import type { Thread } from './threads.js'

/** CPU time of a vCPU thread after which the guest certainly runs; paused it uses none. */
const RUNNING_TICKS = 5

/**
 * How long a guest that was started paused is taken for one that libvirt has not finished with: before it lets a guest
 * run, it moves and sets its threads, and on a loaded host takes its time.
 */
export const PAUSED_MS = 60_000

/** Whether the guest runs: whoever started it paused has let it go. */
export function guestRuns(threads: readonly Thread[]): boolean {
  return [...rolesOf(threads, [])].some(
    ([{ ticks }, { kind }]) => (kind === 'vcpu' || kind === 'all-vcpus') && ticks >= RUNNING_TICKS,
  )
}

/**
 * Makes the check of when threads may become real-time.
 *
 * On a kernel with RT_GROUP_SCHED and cgroup v1 a real-time thread cannot be moved into a group without real-time time
 * (EINVAL, kernel/sched/core.c, cpu_cgroup_can_attach), which would make libvirt's start fail. There, when the guest is
 * started paused, a thread waits until libvirt has moved it, or the guest runs, or nothing of it has come.
 */
export function makeSettledCheck(pid: number, startsPaused: boolean) {
  const firstSeen = new Map<number, { readonly at: number; readonly group: string }>()
  const waits = startsPaused && sharesRealtimeByGroup(`/proc/${pid}/task/${pid}`)
  return ({ thread, setting }: Deviation): boolean => {
    if (!waits || !isRealtime(setting)) return true
    const group = readCpuGroup(`/proc/${pid}/task/${thread.tid}`)
    const first = firstSeen.get(thread.tid) ?? { at: Date.now(), group }
    firstSeen.set(thread.tid, first)
    return group !== first.group || thread.ticks >= RUNNING_TICKS || Date.now() - first.at >= PAUSED_MS
  }
}
