/**
 * What the osnoise tracer calls its columns (Linux Documentation/trace/osnoise-tracer.rst), and how the kernel adds each up: by CPU, kind and
 * length as a power of two. Hardware is not among them: the tracer knows it only where its own threads run.
 */
export const COLUMNS = {
  nmi: { event: 'nmi_noise', kind: null, name: 'NMIs' },
  irq: { event: 'irq_noise', kind: 'desc', name: 'interrupts' },
  softirq: { event: 'softirq_noise', kind: 'vector', name: 'softirqs' },
  thread: { event: 'thread_noise', kind: 'comm', name: 'threads' },
} as const

export type ColumnId = keyof typeof COLUMNS

/** How much one CPU was taken from its vCPU by one column's kind of thing. Times are net: what came between is not in them. */
export interface Column {
  readonly column: ColumnId
  readonly count: number
  readonly microseconds: number
  /** The longest one is no longer than this: a power of two of nanoseconds. 0 for none. */
  readonly longestMicroseconds: number
  /** By name, the one that took longest in all first. */
  readonly kinds: readonly ColumnKind[]
}

interface ColumnKind {
  readonly name: string
  readonly count: number
  readonly microseconds: number
  readonly longestMicroseconds: number
}

/** Threads that are not noise: the idle one, and the vCPUs'. */
export function triggersFor(vcpus: readonly number[]): Readonly<Record<string, string>> {
  const others = [0, ...vcpus].map((tid) => `pid != ${tid}`).join(' && ')
  return Object.fromEntries(
    Object.entries(COLUMNS).map(([id, { event, kind }]) => {
      const keys = ['common_cpu', ...(kind === null ? [] : [kind]), 'duration.log2'].join(',')
      return [event, `hist:keys=${keys}:vals=duration:size=4096${id === 'thread' ? ` if ${others}` : ''}`]
    }),
  )
}

/** softirqs by their numbers (include/linux/interrupt.h). */
const SOFTIRQS = [
  'HI',
  'TIMER',
  'NET_TX',
  'NET_RX',
  'BLOCK',
  'IRQ_POLL',
  'TASKLET',
  'SCHED',
  'HRTIMER',
  'RCU',
]

/** Line of a histogram: `{ common_cpu: 2, desc: local_timer, duration: ~ 2^13 } hitcount: 5  duration: 40960`; 2^n is rounded up. */
const LINE =
  /^\{ common_cpu: +(?<cpu>\d+), (?:(?:desc|comm|vector): +(?<kind>.*?) *, )?duration: +~ 2\^(?<power>\d+) *\} hitcount: +(?<count>\d+) +duration: +(?<duration>\d+)$/

/** Kinds that are kept. */
const MOST_KINDS = 16

/**
 * How long something can have taken a CPU. The tracer takes what was under way when it began for as long as its clock ran by then, which
 * is the time since boot: seen with Linux 7.2.
 * @param bootedNanoseconds time since boot when the tracer began
 * @param tracedNanoseconds since then
 */
export function longestPossible(bootedNanoseconds: number, tracedNanoseconds: number): number {
  return Math.min(bootedNanoseconds * CLOCKS_AGREE, 2 * tracedNanoseconds)
}

/** The tracer's clock and CLOCK_MONOTONIC begin at about the same time. */
const CLOCKS_AGREE = 0.9

/**
 * Reads what the kernel has added up of one column.
 * @param text of the event's hist file
 * @param cpu whose
 * @param limit nanoseconds: what is told to be as long is left out, see `longestPossible`
 * @returns null when it is no such file
 */
export function parseColumn(
  column: ColumnId,
  text: string,
  cpu: number,
  limit = Number.POSITIVE_INFINITY,
): Column | null {
  if (!text.includes('# event histogram') || !/^Totals:/m.test(text)) return null
  const kinds = new Map<string, ColumnKind>()
  for (const line of text.split('\n')) {
    const found = LINE.exec(line)?.groups
    if (found === undefined || Number(found.cpu) !== cpu || 2 ** Number(found.power) >= limit) continue
    const given = found.kind ?? COLUMNS[column].name
    const name = column === 'softirq' ? (SOFTIRQS[Number(given)] ?? given) : given
    const before = kinds.get(name) ?? { name, count: 0, microseconds: 0, longestMicroseconds: 0 }
    kinds.set(name, {
      name,
      count: before.count + Number(found.count),
      microseconds: before.microseconds + Number(found.duration) / 1000,
      longestMicroseconds: Math.max(before.longestMicroseconds, 2 ** Number(found.power) / 1000),
    })
  }
  const all = [...kinds.values()].sort((a, b) => b.microseconds - a.microseconds)
  return {
    column,
    count: all.reduce((sum, { count }) => sum + count, 0),
    microseconds: all.reduce((sum, { microseconds }) => sum + microseconds, 0),
    longestMicroseconds: Math.max(0, ...all.map(({ longestMicroseconds }) => longestMicroseconds)),
    kinds: all.slice(0, MOST_KINDS),
  }
}
