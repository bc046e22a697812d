import type { CpuSet } from '../../units/cpu-set.js'

/** A counter of the kernel's by its name; values only grow. */
export type Counters = ReadonlyMap<string, number>

/**
 * Reads /proc/interrupts or /proc/softirqs (proc(5)): a column for each CPU that is online, a row for each kind.
 * @param cpus whose columns are added up
 * @returns by kind: `LOC Local timer interrupts`, `36 virtio1-req.0`, `TIMER`; null when there is no column of these CPUs
 */
export function parsePerCpu(text: string, cpus: CpuSet): Counters | null {
  const [head = '', ...rows] = text.split('\n')
  const columns = head
    .trim()
    .split(/\s+/)
    .map((name) => Number(/^CPU(\d+)$/.exec(name)?.[1] ?? -1))
  const wanted = columns.flatMap((cpu, column) => (cpus.includes(cpu) ? [column] : []))
  if (wanted.length === 0) return null
  const counters = new Map<string, number>()
  for (const row of rows) {
    const [, label, rest = ''] = /^\s*([^\s:]+):\s*(.*)$/.exec(row) ?? []
    const words = rest.trim().split(/\s+/)
    const counts = words.slice(0, columns.length)
    // ERR and MIS are of the whole machine, and have one number.
    if (label === undefined || counts.length < columns.length || !counts.every(isCount)) continue
    const name = [label, describe(label, words.slice(columns.length))].filter(Boolean).join(' ')
    counters.set(
      name,
      wanted.reduce((total, column) => total + Number(counts[column]), 0),
    )
  }
  return counters
}

/** A device's interrupt has its controller and number there before its name. */
function describe(label: string, words: readonly string[]): string {
  return (/^\d+$/.test(label) && words.length > 2 ? words.slice(2) : words).join(' ')
}

function isCount(word: string): boolean {
  return /^\d+$/.test(word)
}

/** Clock ticks of /proc/stat are of 10 ms on every Linux for x86 (USER_HZ). */
export const TICK_MICROSECONDS = 10_000

/** Place of the time that a hypervisor beneath had the CPU among the numbers of its row (proc(5), /proc/stat: steal). */
const STEAL = 7

/** @returns microseconds that a hypervisor beneath this host had the CPUs; null when the kernel does not say */
export function parseSteal(text: string, cpus: CpuSet): number | null {
  const ticks = cpus.map((cpu) => {
    const row = new RegExp(`^cpu${cpu} (.*)$`, 'm').exec(text)?.[1]
    return Number(row?.split(' ')[STEAL] ?? Number.NaN)
  })
  const total = ticks.reduce((sum, one) => sum + one, 0)
  return ticks.length === 0 || Number.isNaN(total) ? null : total * TICK_MICROSECONDS
}

/** How long a thread had a CPU, and how long it waited for one while it could have run, in nanoseconds. */
export interface SchedulerTimes {
  readonly run: number
  readonly delay: number
}

/** Reads a thread's schedstat (Linux Documentation/scheduler/sched-stats.rst); null without CONFIG_SCHED_INFO. */
export function parseSchedstat(text: string): SchedulerTimes | null {
  const [, run, delay] = /^(\d+) (\d+) \d+\s*$/.exec(text) ?? []
  return run === undefined || delay === undefined ? null : { run: Number(run), delay: Number(delay) }
}

/** Lines `name value` or `name: value`, as in a cgroup's cpu.stat and a thread's status. */
export function parseNamed(text: string, names: readonly string[]): Counters {
  return new Map(
    names.flatMap((name) => {
      const value = new RegExp(`^${name}:?\\s+(\\d+)$`, 'm').exec(text)?.[1]
      return value === undefined ? [] : [[name, Number(value)] as const]
    }),
  )
}

/**
 * What has grown.
 * @returns by name, the largest first; null when one of both was not read
 */
export function grown(before: Counters | null, after: Counters | null): [string, number][] | null {
  if (before === null || after === null) return null
  return [...after]
    .map(([name, value]): [string, number] => [name, value - (before.get(name) ?? 0)])
    .filter(([, growth]) => growth > 0)
    .sort(([, a], [, b]) => b - a)
}
