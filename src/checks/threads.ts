import type { ThreadFact } from '../host/check/facts.js'
import type { Check, Sets, Subject, Verdict } from './check.js'
import {
  HIGHEST_VCPU,
  KERNEL_THREADS,
  type KernelThreadKind,
  KSOFTIRQD,
  KTIMERS,
  keptWaiting,
  kernelThreadOf,
  kernelThreadText,
  LOWER_VCPUS,
  RCUB,
  RCUC,
  rankOf,
} from './judge/kernel-threads.js'
import { few } from './look.js'
import { met, missed, notHere, unknown } from './verdicts.js'

const SOURCE =
  "tuned's profile realtime-virtual-host (ksoftirqd 2, rcuc and rcub 4 above vCPUs of 1); OpenShift (11); SEAPATH (rcuc 10)"

/** A check of threads of one kind. */
interface Row {
  readonly kind: KernelThreadKind
  readonly look: string
  readonly why: string
}

function priorityCheck({ kind, look, why }: Row): Check {
  const { id, names, above } = kind
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
        ? `${LOWER_VCPUS} in [profile.…], since the kernel's threads have to be above`
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
    const below = keptWaiting(there, vcpusOf(sets))
    if (below.length === 0) return met(lowest(there))
    return missed(check, `not above the vCPUs' ${priorityOf(sets)}: ${few(below.map(kernelThreadText))}`)
  }
  return check
}

/** For pgrep: of threads that each have a CPU, those of the real-time CPUs, as host apply sets them. */
function patternFor({ names, isPerCpu }: KernelThreadKind, { realtime }: Sets): string {
  return isPerCpu ? `^(${names})/(${realtime.join('|')})$` : `^(${names})`
}

/** A thread, and how it is judged. */
interface Judged {
  readonly thread: ThreadFact
  readonly name: string
  readonly cpu: number | null
  readonly priority: number
}

/** Those of a kind that serve real-time CPUs. */
function threadsOfKind(kind: KernelThreadKind, threads: readonly ThreadFact[], { realtime }: Sets): Judged[] {
  return threads.flatMap((thread) => {
    const known = thread.isKernels ? kernelThreadOf(thread.name) : null
    if (known?.kind !== kind || (known.cpu !== null && !realtime.includes(known.cpu))) return []
    return [{ thread, name: thread.name, cpu: known.cpu, priority: rankOf(thread) }]
  })
}

/** vCPUs may be on every real-time CPU. */
function vcpusOf(sets: Sets) {
  return [{ cpus: sets.realtime, priority: priorityOf(sets) }]
}

/** Threads of the kernel's that vCPUs keep waiting, and the FIFO priority that mends it. @param id of the check */
export function prioritiesToRaise(
  id: string,
  { facts, sets }: Subject,
): { readonly thread: ThreadFact; readonly priority: number }[] {
  const kind = KERNEL_THREADS.find((one) => one.id === id)
  const vcpu = priorityOf(sets)
  if (kind === undefined || sets.vcpuPriority === null || vcpu > HIGHEST_VCPU) return []
  return keptWaiting(threadsOfKind(kind, facts.threads ?? [], sets), vcpusOf(sets)).map(({ thread }) => ({
    thread,
    priority: vcpu + kind.above,
  }))
}

function priorityOf({ vcpuPriority }: Sets): number {
  return vcpuPriority ?? 1
}

function lowest(threads: readonly Judged[]): string {
  return `${Math.min(...threads.map(({ priority }) => priority))} and more`
}

const ROWS: readonly Row[] = [
  {
    kind: KSOFTIRQD,
    look: 'for ksoftirqd running before vCPUs',
    why: 'On PREEMPT_RT a vCPU that is never preempted keeps softirqs of its CPU from running, and everything that waits for them.',
  },
  {
    kind: KTIMERS,
    look: 'for ktimers running before vCPUs',
    why: 'Timers of the CPU expire in this thread on PREEMPT_RT; behind a busy vCPU they never do.',
  },
  {
    kind: RCUC,
    look: "for RCU's callback threads running before vCPUs",
    why: 'RCU cannot end a grace period while its thread waits behind a vCPU: memory fills up, and the kernel reports stalls.',
  },
  {
    kind: RCUB,
    look: "for RCU's boosting threads running before vCPUs",
    why: 'They lend a reader that was preempted the priority to go on; below the vCPU it never does.',
  },
]

export const THREAD_CHECKS: readonly Check[] = ROWS.map(priorityCheck)
