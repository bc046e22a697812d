import { addToPartition } from '../plan/threads/realtime-host.js'
import { isRealtime } from '../plan/threads/thread-plan.js'
import type { Thread } from '../tune/threads.js'
import { type CpuSet, formatCpuSet, subtractCpuSets, unionCpuSets } from '../units/cpu-set.js'

export { hasFairServer } from '../units/kernel-release.js'

/** What may explain a result. */
export interface JitterFacts {
  readonly accelerator: 'kvm' | 'tcg'
  readonly worstMicroseconds: number
  /** The vCPU's thread while the guest ran; null when it was not found. */
  readonly vcpu: Pick<Thread, 'cpus' | 'policy' | 'priority'> | null
  /** null when the host does not say. */
  readonly isolated: CpuSet | null
  /** Those of them that cgroups have isolated. */
  readonly isolatedByGroups?: CpuSet
  readonly fullDynticks: CpuSet | null
  /** kernel.sched_rt_runtime_us: -1 is without a limit. */
  readonly realtimeRuntime: number | null
  /** Whether the kernel lets other threads have a part of a CPU that a real-time thread keeps busy, see `hasFairServer`. */
  readonly isFair: boolean
  /** Whether the kernel is PREEMPT_RT. */
  readonly isRealtimeKernel: boolean
}

/** What control loops of a millisecond can bear; a host that is set up stays below. */
const GOOD_MICROSECONDS = 100

/** Explains a result that is worse than a real-time host's: each what, and what to do; none when it is good. */
export function explainJitter(facts: JitterFacts): string[] {
  return facts.worstMicroseconds < GOOD_MICROSECONDS ? [] : CAUSES.flatMap((cause) => cause(facts) ?? [])
}

const CAUSES: readonly ((facts: JitterFacts) => string | null)[] = [
  // "sched/rt: Remove default bandwidth control", Linux 6.12: what has a fair server has throttling for groups alone.
  ({ vcpu, realtimeRuntime, isFair }) =>
    vcpu !== null && isUrgent(vcpu) && realtimeRuntime !== null && realtimeRuntime !== -1
      ? `real-time throttling is on${isFair ? ', if this kernel has RT_GROUP_SCHED' : ''}: ` +
        `a busy vCPU is stopped for up to ${(1e6 - realtimeRuntime) / 1000} ms at a time, ` +
        'which is worse than no real-time policy; run as root: sysctl kernel.sched_rt_runtime_us=-1'
      : null,
  ({ vcpu }) =>
    vcpu === null || isUrgent(vcpu)
      ? null
      : `the vCPU was ${vcpu.policy}: whatever runs on its CPU takes turns with it; use a profile with policy = "fifo"`,
  ({ vcpu }) =>
    vcpu === null || isPinned(vcpu)
      ? null
      : `the vCPU was not pinned: it may be moved among CPUs ${formatCpuSet(vcpu.cpus)}, and waits where it comes to; ` +
        'use a profile that gives vcpus cpus of their own',
  ({ vcpu, isolated, isolatedByGroups, isFair }) => {
    const unreserved =
      vcpu === null || !isPinned(vcpu) || isolated === null ? [] : subtractCpuSets(vcpu.cpus, isolated)
    return unreserved.length === 0
      ? null
      : `CPU ${formatCpuSet(unreserved)} of the vCPU is not reserved for it: interrupts and other threads run there` +
          `${isFair && vcpu !== null && isUrgent(vcpu) ? ', to which the kernel gives 50 ms of each second whatever throttling says' : ''}; ` +
          (isolatedByGroups === undefined
            ? `boot with isolcpus=${formatCpuSet(unionCpuSets(unreserved, isolated ?? []))}`
            : addToPartition(unreserved, isolatedByGroups))
  },
  ({ vcpu, fullDynticks }) => {
    const ticking = vcpu === null || !isPinned(vcpu) ? [] : subtractCpuSets(vcpu.cpus, fullDynticks ?? [])
    if (ticking.length === 0) return null
    // A parameter of the kernel names all: those that have it already would lose it.
    const all = formatCpuSet(unionCpuSets(ticking, fullDynticks ?? []))
    return `CPU ${formatCpuSet(ticking)} has the scheduler's tick; boot with nohz_full=${all} rcu_nocbs=${all}`
  },
  ({ isRealtimeKernel }) =>
    isRealtimeKernel
      ? null
      : 'the kernel is not PREEMPT_RT (/sys/kernel/realtime); install one, such as linux-image-rt-amd64',
  ({ accelerator }) =>
    accelerator === 'tcg'
      ? 'the guest was emulated (TCG): translating its code and the emulator’s locks are gaps too; use --accel kvm'
      : null,
]

function isPinned({ cpus }: Pick<Thread, 'cpus'>): boolean {
  return cpus.length === 1
}

function isUrgent({ policy }: Pick<Thread, 'policy'>): boolean {
  return policy !== 'deadline' && isRealtime({ policy })
}
