import type { CauseReport } from './cause/causes.js'
import type { Floor } from './floor/floor.js'
import type { JitterRecord } from './record.js'

/** Gaps of a length. */
export interface Bucket {
  readonly fromMicroseconds: number
  readonly toMicroseconds: number
  readonly count: number
}

/** What one run of the guest has seen. */
export interface JitterResult {
  /** null for best effort. */
  readonly profile: string | null
  readonly accelerator: 'kvm' | 'tcg'
  /** The vCPU that measured, and what its thread had; null where it was not found. */
  readonly vcpu: {
    readonly number: number
    readonly cpus: string | null
    readonly policy: string | null
    readonly priority: number | null
  }
  readonly seconds: number
  readonly ticksPerMicrosecond: number
  readonly worstMicroseconds: number
  /** From the shortest that was seen to the longest, without holes. */
  readonly histogram: readonly Bucket[]
  /** What makes it worse than it need be, and what to do. */
  readonly explanations: readonly string[]
  /** What the kernel has counted meanwhile, of each vCPU that measured; absent where nobody has looked. */
  readonly causes?: readonly CauseReport[]
  /** What the host does without a VM; absent where nobody has measured. */
  readonly floor?: Floor
}

/** A record, and when it came. */
export interface Arrival {
  readonly record: JitterRecord
  readonly atMs: number
}

/**
 * Sums records up.
 * @param arrivals two at least: how fast the counter runs is seen from when they came
 */
export function summarize(
  arrivals: readonly Arrival[],
): Pick<JitterResult, 'seconds' | 'ticksPerMicrosecond' | 'worstMicroseconds' | 'histogram'> {
  const [first, ...rest] = arrivals
  const last = rest.at(-1)
  if (first === undefined || last === undefined) throw new RangeError('one record is too few')
  const measured = rest.map(({ record, atMs }, index) => ({
    record,
    microseconds: (atMs - (arrivals[index]?.atMs ?? 0)) * 1000,
  }))
  // A gap that long may have gone once around the 32 bits that a record has for ticks.
  const sound = measured.filter(({ record }) => record.largest < 2 ** 31)
  const used = sound.length > 0 ? sound : measured
  const ticksPerMicrosecond =
    sum(used.map(({ record }) => record.ticks)) / sum(used.map(({ microseconds }) => microseconds))
  const largest = Math.max(...arrivals.map(({ record }) => record.largest))
  return {
    seconds: (last.atMs - first.atMs) / 1000 + first.record.ticks / ticksPerMicrosecond / 1e6,
    ticksPerMicrosecond,
    worstMicroseconds: largest / ticksPerMicrosecond,
    histogram: histogram(
      arrivals.map(({ record }) => record),
      ticksPerMicrosecond,
    ),
  }
}

function histogram(records: readonly JitterRecord[], ticksPerMicrosecond: number): Bucket[] {
  const counts = (records[0]?.counts ?? []).map((_, bucket) =>
    sum(records.map((one) => one.counts[bucket] ?? 0)),
  )
  const first = counts.findIndex((count) => count > 0)
  const last = counts.findLastIndex((count) => count > 0)
  return counts
    .map((count, bucket) => ({
      fromMicroseconds: 2 ** bucket / ticksPerMicrosecond,
      toMicroseconds: 2 ** (bucket + 1) / ticksPerMicrosecond,
      count,
    }))
    .slice(first, last + 1)
}

/** How many gaps were certainly as long as a limit: those of buckets that begin there or later. */
export function gapsOver({ histogram }: Pick<JitterResult, 'histogram'>, microseconds: number): number {
  return sum(histogram.filter((one) => one.fromMicroseconds >= microseconds).map(({ count }) => count))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
