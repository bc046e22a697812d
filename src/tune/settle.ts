import { isRealtime } from '../plan/threads/thread-plan.js'
import type { Deviation } from './deviations.js'
import { readCpuGroup, sharesRealtimeByGroup } from './thread-groups.js'

/** CPU time after which a guest certainly runs: whoever started it paused has let it go. */
const RUNNING_TICKS = 5

/** How long libvirt may take from a vCPU thread's appearance to having moved it. */
const PATIENCE_MS = 5000

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
    return group !== first.group || thread.ticks >= RUNNING_TICKS || Date.now() - first.at >= PATIENCE_MS
  }
}
