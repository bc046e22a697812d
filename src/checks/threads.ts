import type { ThreadFact } from '../host/check/facts.js'
import { intersectCpuSets } from '../units/cpu-set.js'
import type { Check, Sets, Subject, Verdict } from './check.js'
import { few } from './look.js'
import { met, missed, notHere, unknown } from './verdicts.js'

const SOURCE =
  "tuned's profile realtime-virtual-host (ksoftirqd 2, rcuc and rcub 4 above vCPUs of 1); OpenShift (11); SEAPATH (rcuc 10)"

/** The highest priority that leaves room for the kernel's threads above it. */
const HIGHEST_VCPU = 95

/** Threads of the kernel's that must run before vCPUs on the same CPU: by name, and by how much. */
interface Kind {
  readonly id: string
  readonly pattern: RegExp
  /** For pgrep. */
  readonly names: string
  readonly look: string
  readonly above: number
  /** Whether there is one on each CPU, or it may run on any. */
  readonly isPerCpu: boolean
  readonly why: string
}

function priorityCheck(kind: Kind): Check {
  const { id, look, names, above, why } = kind
  const check: Check = {
    id,
    group: 'threads',
    severity: 'warn',
    look,
    reads: [],
    also: "policy and priority of the kernel's threads: fields 40 and 41 of /proc/TID/stat",
    isAboutRealtime: true,
    wanted: (sets) => `FIFO above ${priorityOf(sets)}, the priority of vCPUs`,
    judge: (subject) => judge(subject),
    why,
    fixedBy: 'boot',
    fix: (sets) => {
      const vcpu = priorityOf(sets)
      return vcpu > HIGHEST_VCPU
        ? `give vCPUs a priority of ${HIGHEST_VCPU} at most in [profile.…]: the kernel's threads have to be above`
        : `run as root: for t in $(pgrep -P 2 '${patternFor(kind, sets)}'); do chrt -f -p ${vcpu + above} $t; done; to keep it, have a unit do so at boot`
    },
    source: SOURCE,
    tuned: names.split('|').map((name) => ['scheduler', `group.${name}`] as const),
  }
  const judge = ({ facts, sets }: Subject): Verdict => {
    if (facts.threads === null) return unknown(facts.whyNoThreads)
    if (sets.vcpuPriority === null) return notHere('no profile has real-time vCPUs')
    const there = threadsOfKind(kind, facts.threads, sets)
    if (there.length === 0) return notHere('this kernel has none on real-time CPUs')
    const below = there.filter((thread) => isBelow(thread, priorityOf(sets)))
    if (below.length === 0) return met(lowest(there))
    return missed(check, `not above the vCPUs' ${priorityOf(sets)}: ${few(below.map(described))}`)
  }
  return check
}

/** For pgrep: of threads that each have a CPU, those of the real-time CPUs, as host apply sets them. */
function patternFor({ names, isPerCpu }: Kind, { realtime }: Sets): string {
  return isPerCpu ? `^(${names})/(${realtime.join('|')})$` : `^(${names})`
}

function threadsOfKind(
  { pattern, isPerCpu }: Kind,
  threads: readonly ThreadFact[],
  { realtime }: Sets,
): ThreadFact[] {
  const all = threads.filter(({ isKernels, name }) => isKernels && pattern.test(name))
  return isPerCpu ? all.filter(({ cpus }) => intersectCpuSets(cpus, realtime).length > 0) : all
}

/** Threads of the kernel's that vCPUs keep waiting, and the FIFO priority that mends it. @param id of the check */
export function prioritiesToRaise(
  id: string,
  { facts, sets }: Subject,
): { readonly thread: ThreadFact; readonly priority: number }[] {
  const kind = KINDS.find((one) => one.id === id)
  const vcpu = priorityOf(sets)
  if (kind === undefined || sets.vcpuPriority === null || vcpu > HIGHEST_VCPU) return []
  return threadsOfKind(kind, facts.threads ?? [], sets)
    .filter((thread) => isBelow(thread, vcpu))
    .map((thread) => ({ thread, priority: vcpu + kind.above }))
}

function priorityOf({ vcpuPriority }: Sets): number {
  return vcpuPriority ?? 1
}

function isBelow({ policy, priority }: ThreadFact, vcpu: number): boolean {
  return (
    (policy !== 'fifo' && policy !== 'rr' && policy !== 'deadline') ||
    (policy !== 'deadline' && priority <= vcpu)
  )
}

function described({ name, policy, priority }: ThreadFact): string {
  return policy === 'fifo' || policy === 'rr' ? `${name} ${policy} ${priority}` : `${name} ${policy}`
}

function lowest(threads: readonly ThreadFact[]): string {
  return `${Math.min(...threads.map(({ priority }) => priority))} and more`
}

const KINDS: readonly Kind[] = [
  {
    id: 'threads.ksoftirqd',
    pattern: /^ksoftirqd\//,
    names: 'ksoftirqd',
    look: 'for ksoftirqd running before vCPUs',
    above: 1,
    isPerCpu: true,
    why: 'On PREEMPT_RT a vCPU that is never preempted keeps softirqs of its CPU from running at all, and whoever waits for them.',
  },
  {
    id: 'threads.ktimers',
    pattern: /^ktimers(oftd)?\//,
    names: 'ktimers|ktimersoftd',
    look: 'for ktimers running before vCPUs',
    above: 2,
    isPerCpu: true,
    why: 'Timers of the CPU expire in this thread on PREEMPT_RT; behind a busy vCPU they never do.',
  },
  {
    id: 'threads.rcuc',
    pattern: /^rcuc\//,
    names: 'rcuc',
    look: "for RCU's callback threads running before vCPUs",
    above: 3,
    isPerCpu: true,
    why: 'RCU cannot end a grace period while its thread waits behind a vCPU: memory fills up, and the kernel reports stalls.',
  },
  {
    id: 'threads.rcub',
    pattern: /^rcub\//,
    names: 'rcub',
    look: "for RCU's boosting threads running before vCPUs",
    above: 3,
    isPerCpu: false,
    why: 'They lend a reader that was preempted the priority to go on; below the vCPU it never does.',
  },
]

export const THREAD_CHECKS: readonly Check[] = KINDS.map(priorityCheck)
