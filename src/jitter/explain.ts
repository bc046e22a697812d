import {
  howToIsolate,
  ISOLATION_ID,
  notIsolated,
  TICK_ID,
  ticklessParameters,
} from '../checks/judge/isolation.js'
import { INSTALL_PREEMPT_RT, PREEMPT_RT_ID } from '../checks/judge/preempt-rt.js'
import { type FairServer, judgeThrottling, type ThrottlingFacts } from '../checks/judge/throttling.js'
import { type Finding, findingText, isBad } from '../errors/finding.js'
import { isRealtime } from '../plan/threads/thread-plan.js'
import type { Thread } from '../tune/threads.js'
import { type CpuSet, formatCpuSet, subtractCpuSets, unionCpuSets } from '../units/cpu-set.js'

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
  readonly throttling: ThrottlingFacts
  /** Whether the kernel lets other threads have a part of the vCPU's CPU. */
  readonly fairServer: FairServer
  /** Whether the kernel is PREEMPT_RT; null when it does not say. */
  readonly isRealtimeKernel: boolean | null
}

/** What control loops of a millisecond can bear; a host that is set up stays below. */
const GOOD_MICROSECONDS = 100

/** Explains a result that is worse than a real-time host's: each what, and what to do; none when it is good. */
export function explainJitter(facts: JitterFacts): string[] {
  return causesOfJitter(facts).map(findingText)
}

/** The same as findings, by the ids of `host check` where it judges the same. */
export function causesOfJitter(facts: JitterFacts): Finding[] {
  return facts.worstMicroseconds < GOOD_MICROSECONDS ? [] : CAUSES.flatMap((cause) => cause(facts) ?? [])
}

const CAUSES: readonly ((facts: JitterFacts) => Finding | null)[] = [
  ({ vcpu, throttling }) => {
    if (vcpu === null || !isUrgent(vcpu)) return null
    const judged = judgeThrottling(throttling)
    return isBad(judged) ? judged : null
  },
  ({ vcpu }) =>
    vcpu === null || isUrgent(vcpu)
      ? null
      : {
          id: 'jitter.policy',
          level: 'warn',
          what: `the vCPU was ${vcpu.policy}`,
          where: 'whatever runs on its CPU takes turns with it',
          todo: 'use a profile with policy = "fifo"',
        },
  ({ vcpu }) =>
    vcpu === null || isPinned(vcpu)
      ? null
      : {
          id: 'jitter.pinning',
          level: 'warn',
          what: 'the vCPU was not pinned',
          where: `it may be moved among CPUs ${formatCpuSet(vcpu.cpus)}, and waits where it comes to`,
          todo: 'use a profile that gives vcpus cpus of their own',
        },
  ({ vcpu, fairServer, ...isolation }) => {
    const left = vcpu === null || !isPinned(vcpu) ? [] : notIsolated(vcpu.cpus, isolation.isolated)
    if (vcpu === null || left.length === 0) return null
    return {
      id: ISOLATION_ID,
      level: 'fail',
      what: `CPU ${formatCpuSet(left)} of the vCPU is not reserved for it`,
      where: `interrupts and other threads run there${isUrgent(vcpu) ? SERVED[fairServer] : ''}`,
      todo: howToIsolate(left, isolation),
    }
  },
  ({ vcpu, fullDynticks }) => {
    const ticking = vcpu === null || !isPinned(vcpu) ? [] : subtractCpuSets(vcpu.cpus, fullDynticks ?? [])
    if (ticking.length === 0) return null
    // A parameter of the kernel names all: those that have it already would lose it.
    const all = unionCpuSets(ticking, fullDynticks ?? [])
    return {
      id: TICK_ID,
      level: 'warn',
      what: `CPU ${formatCpuSet(ticking)} has the scheduler's tick`,
      todo: `boot with ${ticklessParameters(all)}`,
    }
  },
  ({ isRealtimeKernel }) =>
    isRealtimeKernel === false
      ? {
          id: PREEMPT_RT_ID,
          level: 'fail',
          what: 'the kernel is not PREEMPT_RT',
          todo: INSTALL_PREEMPT_RT,
        }
      : null,
  ({ accelerator }) =>
    accelerator === 'tcg'
      ? {
          id: 'jitter.accelerator',
          level: 'fail',
          what: 'the guest was emulated (TCG)',
          where: 'translating its code and the emulator’s locks are gaps too',
          todo: 'use --accel kvm',
        }
      : null,
]

/** What the fair server gives to threads that a real-time one keeps waiting (see sched.fair-server). */
const SERVED: Readonly<Record<FairServer, string>> = {
  none: '',
  off: '',
  on: ', to which the kernel gives up to 50 ms of each second whatever throttling says',
  unknown: ', to which the kernel gives up to 50 ms of each second whatever throttling says',
}

function isPinned({ cpus }: Pick<Thread, 'cpus'>): boolean {
  return cpus.length === 1
}

function isUrgent({ policy }: Pick<Thread, 'policy'>): boolean {
  return policy !== 'deadline' && isRealtime({ policy })
}
