import type { Finding, Level } from '../../errors/finding.js'
import { hasFairServer } from '../../units/kernel-release.js'
import { bySysctl } from '../fixes.js'

/** What decides whether real-time threads are stopped for a part of each period. */
export interface ThrottlingFacts {
  /** kernel.sched_rt_runtime_us; null when it is not known. */
  readonly runtime: number | null
  /** The kernel's release; null when it is not known. */
  readonly release: string | null
  /** Whether it schedules real-time threads by groups, see `hasRealtimeGroups`; null when that is not known. */
  readonly hasGroups: boolean | null
}

export const THROTTLING_ID = 'sched.rt-throttling'

/** How throttling is turned off, now and for each boot. */
export const UNTHROTTLE = bySysctl('kernel.sched_rt_runtime_us', -1)

/**
 * Judges real-time throttling (sched(7), "Limiting the CPU usage of real-time and deadline processes"). A kernel with the
 * fair server applies kernel.sched_rt_runtime_us to groups alone (Linux 6.12, "sched/rt: Remove default bandwidth control").
 */
export function judgeThrottling({ runtime, release, hasGroups }: ThrottlingFacts): Finding {
  if (runtime === null) return told('unknown', 'kernel.sched_rt_runtime_us is not known')
  if (runtime === -1) return told('pass', '-1')
  const is = `kernel.sched_rt_runtime_us is ${runtime}`
  if (!hasFairServer(release)) return missed('fail', `real-time throttling is on (${is})`)
  if (hasGroups === false)
    return told('note', `${is}, which this kernel has no use for: it has the fair server instead`)
  return hasGroups === true
    ? missed('fail', `real-time throttling is on (${is}, and this kernel throttles groups: RT_GROUP_SCHED)`)
    : missed(
        'warn',
        `real-time throttling may be on (${is}, and whether this kernel has RT_GROUP_SCHED is not known)`,
      )
}

function told(level: Level, what: string): Finding {
  return { id: THROTTLING_ID, level, what }
}

function missed(level: Level, what: string): Finding {
  const where = 'a vCPU that is busy is stopped for the rest of each period'
  return { id: THROTTLING_ID, level, what, where, todo: UNTHROTTLE }
}

/** Whether best-effort threads get a part of a CPU that real-time threads keep busy; `unknown` where debugfs is not read. */
export type FairServer = 'none' | 'off' | 'on' | 'unknown'

/** @param runtime nanoseconds of /sys/kernel/debug/sched/fair_server/cpuN/runtime (kernel/sched/debug.c); null when not read */
export function fairServerOf(release: string | null, runtime: number | null): FairServer {
  if (!hasFairServer(release)) return 'none'
  if (runtime === null) return 'unknown'
  return runtime === 0 ? 'off' : 'on'
}
