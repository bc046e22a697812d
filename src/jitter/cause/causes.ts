import { judgeThrottling, type ThrottlingFacts } from '../../checks/judge/throttling.js'
import { isBad } from '../../errors/finding.js'
import { type CpuSet, formatCpuSet } from '../../units/cpu-set.js'
import { formatMicroseconds } from '../microseconds.js'
import { type Counters, grown, TICK_MICROSECONDS } from './counters.js'

/** What the kernel had counted at a moment of a vCPU's thread and its CPUs. null: could not be read. */
export interface Snapshot {
  readonly atMs: number
  readonly cpus: CpuSet
  /** Microseconds that the thread waited for a CPU while it could have run. */
  readonly runDelay: number | null
  /** How often it was taken off its CPU, and left it of its own accord. */
  readonly involuntary: number | null
  readonly voluntary: number | null
  readonly minorFaults: number | null
  readonly majorFaults: number | null
  readonly interrupts: Counters | null
  readonly softirqs: Counters | null
  /** Of the whole VM, by kind. */
  readonly exits: Counters | null
  /** Of the CPUs, by the processor's counter. */
  readonly smis: number | null
  /** How often the CPUs were slowed down because they were hot. */
  readonly hot: number | null
  /** Microseconds. */
  readonly steal: number | null
  /** Of QEMU's control group: how often its quota ended, and microseconds that it had to wait. */
  readonly quota: { readonly times: number; readonly waited: number } | null
  /** What decides whether real-time threads are throttled. */
  readonly throttling: ThrottlingFacts
  /** Every other thread of the host that may have run there, by what tells it apart. */
  readonly threads: ReadonlyMap<string, OtherThread> | null
}

export interface OtherThread {
  readonly tid: number
  readonly name: string
  /** Microseconds of CPU time so far. */
  readonly run: number
  /** Whether it may run on these CPUs alone: all its time was there. */
  readonly isBound: boolean
  /** Whether it ran there last. */
  readonly wasThere: boolean
}

/** Whether what was read can be the reason of the worst gap. `may`: it happened, but how long it took nobody counts. */
export type Verdict = 'can' | 'may' | 'cannot'

/** Something that keeps a vCPU from running, and how much of it there was. */
export interface Cause {
  readonly id: CauseId
  readonly count: number | null
  /** All of it together; null where the kernel does not count time. */
  readonly microseconds: number | null
  /** The largest of the kinds that `count` is made of, such as interrupts by name. */
  readonly kinds: readonly Kind[]
  /** Other threads that had the CPU, the longest first. */
  readonly threads: readonly Neighbour[]
  readonly verdict: Verdict
  /** One line. */
  readonly text: string
}

interface Kind {
  readonly name: string
  readonly count: number
}

/** A thread that had the CPU. */
interface Neighbour {
  readonly tid: number
  readonly name: string
  /** CPU time between the two moments. */
  readonly microseconds: number
  /** Whether all of it was there: the thread may run nowhere else. */
  readonly isBound: boolean
}

export type CauseId = keyof typeof WORDS

/** What could not be read, and why. */
interface NotRead {
  readonly id: CauseId
  readonly why: string
}

export interface CauseReport {
  readonly vcpu: number
  readonly cpus: string
  /** Between the two moments. */
  readonly seconds: number
  readonly worstMicroseconds: number
  /** Those that can explain the worst gap first, the longest first. */
  readonly causes: readonly Cause[]
  readonly notRead: readonly NotRead[]
}

/** What each is called, and why it is not read where it is not. */
const WORDS = {
  waiting: {
    what: 'waits for its CPU',
    unread: 'the kernel keeps no schedstat for threads, or QEMU has ended',
  },
  sleep: { what: 'sleeps', unread: 'QEMU has ended' },
  steal: { what: 'time of a hypervisor beneath', unread: '/proc/stat has none' },
  interrupt: { what: 'interrupts', unread: '/proc/interrupts has no such CPU' },
  softirq: { what: 'softirqs', unread: '/proc/softirqs has no such CPU' },
  exit: {
    what: 'KVM exits',
    unread: 'no directory of this VM in /sys/kernel/debug/kvm (KVM, debugfs, root)',
  },
  smi: {
    what: 'SMIs',
    unread: 'no /dev/cpu/N/msr of an Intel processor that can be read (modprobe msr, root)',
  },
  hot: { what: 'thermal throttling', unread: 'the CPU has no thermal_throttle counts' },
  quota: { what: 'a CPU quota', unread: 'QEMU’s control group has no cpu.stat with throttling (cgroup v2)' },
  throttling: { what: 'real-time throttling', unread: 'no kernel.sched_rt_runtime_us' },
  majorFault: { what: 'page faults with I/O', unread: 'QEMU has ended' },
  minorFault: { what: 'page faults', unread: 'QEMU has ended' },
} as const

export function causeName(id: CauseId): string {
  return WORDS[id].what
}

/** Kinds of interrupts, softirqs and exits that are kept, and that a line names. */
const MOST_KINDS = { kept: 16, named: 4 }
/** Other threads that are kept, and that a line names. */
const MOST_THREADS = { kept: 16, named: 4 }

/** How much there was of something between two moments. */
interface Growth {
  readonly count?: number
  readonly microseconds?: number
  readonly kinds?: readonly Kind[]
  readonly threads?: readonly Neighbour[]
  /** How much longer it may have been than the kernel says. */
  readonly blurMicroseconds?: number
  /** The line. */
  readonly text: string
}

export interface Question {
  readonly vcpu: number
  readonly policy: string
  readonly accelerator: 'kvm' | 'tcg'
  /** Whether the guest sleeps by design. */
  readonly sleeps: boolean
  readonly worstMicroseconds: number
}

/**
 * Says of each subject how much there was between two moments, and whether that can be the worst gap: what took less time
 * in all than the worst gap, or did not happen, cannot. Nothing is said of what was not read but that.
 */
export function findCauses(question: Question, before: Snapshot, after: Snapshot): CauseReport {
  const seconds = (after.atMs - before.atMs) / 1000
  const looked = SUBJECTS.filter(({ applies }) => applies?.(question) ?? true).map(({ id, look }) => ({
    id,
    growth: look({ ...question, seconds, before, after }),
  }))
  const causes = looked.flatMap(({ id, growth }): Cause[] => {
    if (growth === null) return []
    const { count = null, microseconds = null, kinds = [], threads = [], text } = growth
    const verdict = judge(growth, question.worstMicroseconds)
    return [{ id, count, microseconds, kinds, threads, verdict, text }]
  })
  return {
    vcpu: question.vcpu,
    cpus: formatCpuSet(after.cpus),
    seconds,
    worstMicroseconds: question.worstMicroseconds,
    causes: causes.sort(byWeight),
    notRead: looked.flatMap(({ id, growth }) => (growth === null ? [{ id, why: WORDS[id].unread }] : [])),
  }
}

/** The guest's clock and the kernel's are compared. */
const TOLERANCE = 0.99

function judge({ count, microseconds, blurMicroseconds = 0 }: Growth, worst: number): Verdict {
  if (microseconds === undefined) return count === 0 ? 'cannot' : 'may'
  if (microseconds + blurMicroseconds < worst * TOLERANCE) return 'cannot'
  return microseconds > 0 ? 'can' : 'may'
}

const RANKS: Readonly<Record<Verdict, number>> = { can: 0, may: 1, cannot: 2 }

/** The order of the subjects stays where nothing else tells. */
function byWeight(a: Cause, b: Cause): number {
  return RANKS[a.verdict] - RANKS[b.verdict] || (b.microseconds ?? 0) - (a.microseconds ?? 0)
}

interface Look extends Question {
  readonly seconds: number
  readonly before: Snapshot
  readonly after: Snapshot
}

interface Subject {
  readonly id: CauseId
  /** Whether it is asked at all; absent for always. */
  readonly applies?: (question: Question) => boolean
  /** What there was, also when it was nothing; null when it was not read. */
  readonly look: (look: Look) => Growth | null
}

const SUBJECTS: readonly Subject[] = [
  {
    id: 'waiting',
    look: ({ before, after, seconds }) => {
      const waited = difference(before.runDelay, after.runDelay)
      const times = difference(before.involuntary, after.involuntary)
      if (waited === null || times === null) return null
      const threads = neighbours(before.threads, after.threads)
      const others = threads.length === 0 ? '' : `; there meanwhile: ${nameThreads(threads)}`
      const text = `waited for its CPU ${formatMicroseconds(waited)} in all (${share(waited, seconds)}), taken off it ${plural(times, 'time')}${others}`
      return { count: times, microseconds: waited, threads, text }
    },
  },
  {
    id: 'steal',
    look: ({ before, after, seconds }) => {
      const stolen = difference(before.steal, after.steal)
      if (stolen === null) return null
      const text = `a hypervisor beneath this host had the CPU ${formatMicroseconds(stolen)} in all (${share(stolen, seconds)}), counted in steps of 10 ms`
      return { microseconds: stolen, blurMicroseconds: TICK_MICROSECONDS, text }
    },
  },
  {
    id: 'throttling',
    look: ({ after: { throttling }, policy }) => {
      const finding = judgeThrottling(throttling)
      if (finding.level === 'unknown') return null
      if (!isBad(finding) || (policy !== 'fifo' && policy !== 'rr')) return { count: 0, text: '' }
      const text = `${finding.what}; the kernel does not count it, it is part of the waits`
      return { text }
    },
  },
  {
    id: 'quota',
    look: ({ before, after }) => {
      const times = difference(before.quota?.times, after.quota?.times)
      const waited = difference(before.quota?.waited, after.quota?.waited)
      if (times === null || waited === null) return null
      const text = `the control group's CPU quota was used up ${plural(times, 'time')}, ${formatMicroseconds(waited)} in all`
      return { count: times, microseconds: waited, text }
    },
  },
  counted('smi', 'smis', (count) => `${plural(count, 'SMI')}: the firmware had the CPU`),
  counted('hot', 'hot', (count) => `the CPU was slowed down ${plural(count, 'time')} because it was hot`),
  counted('majorFault', 'majorFaults', (count) => `${plural(count, 'page fault')} with I/O`),
  counted('minorFault', 'minorFaults', (count) => plural(count, 'page fault')),
  {
    ...counted('sleep', 'voluntary', (count) => `left its CPU of its own accord ${plural(count, 'time')}`),
    // A guest that halts is meant to.
    applies: ({ sleeps }) => !sleeps,
  },
  { ...tabled('exit', 'exits', 'KVM exits of the VM'), applies: ({ accelerator }) => accelerator === 'kvm' },
  tabled('interrupt', 'interrupts', 'interrupts'),
  tabled('softirq', 'softirqs', 'softirqs'),
]

/** A subject that is one counter. */
function counted(
  id: CauseId,
  counter: 'smis' | 'hot' | 'majorFaults' | 'minorFaults' | 'voluntary',
  text: (count: number) => string,
): Subject {
  return {
    id,
    look: ({ before, after }) => {
      const count = difference(before[counter], after[counter])
      return count === null ? null : { count, text: text(count) }
    },
  }
}

/** A subject that is a table of counters. */
function tabled(id: CauseId, table: 'exits' | 'interrupts' | 'softirqs', what: string): Subject {
  return {
    id,
    look: ({ before, after, seconds }) => {
      const all = grown(before[table], after[table])
      if (all === null) return null
      const count = all.reduce((sum, [, one]) => sum + one, 0)
      const kinds = all.slice(0, MOST_KINDS.kept).map(([name, count]) => ({ name, count }))
      const named = kinds.slice(0, MOST_KINDS.named).map(({ name, count }) => `${name} ${count}`)
      const text = `${count} ${what} (${rate(count, seconds)} a second): ${named.join(', ')}${all.length > named.length ? ', …' : ''}`
      return { count, kinds, text }
    },
  }
}

/** The other threads that had the CPU, those for the longest time first. */
function neighbours(before: Snapshot['threads'], after: Snapshot['threads']): Neighbour[] {
  if (before === null || after === null) return []
  return [...after]
    .filter(([, { wasThere }]) => wasThere)
    .map(([key, { tid, name, run, isBound }]) => ({
      ...{ tid, name, isBound },
      microseconds: run - (before.get(key)?.run ?? 0),
    }))
    .filter(({ microseconds }) => microseconds > 0)
    .sort((a, b) => b.microseconds - a.microseconds)
    .slice(0, MOST_THREADS.kept)
}

/** Where a thread that is free to move has spent its time nobody counts. */
function nameThreads(threads: readonly Neighbour[]): string {
  const words = threads
    .slice(0, MOST_THREADS.named)
    .map(
      ({ name, tid, microseconds, isBound }) =>
        `${name} (${tid}) ${isBound ? '' : 'up to '}${formatMicroseconds(microseconds)}`,
    )
  return `${words.join(', ')}${threads.length > words.length ? ', …' : ''}`
}

function difference(before: number | null | undefined, after: number | null | undefined): number | null {
  return before == null || after == null ? null : Math.max(0, after - before)
}

function share(microseconds: number, seconds: number): string {
  const percent = seconds > 0 ? microseconds / seconds / 1e4 : 0
  return `${percent >= 9.95 || percent === 0 ? percent.toFixed(0) : Number(percent.toPrecision(2))} %`
}

function rate(count: number, seconds: number): string {
  return String(seconds > 0 ? Number((count / seconds).toPrecision(2)) : count)
}

function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`
}
