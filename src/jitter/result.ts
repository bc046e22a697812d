import type { CauseReport } from './cause/causes.js'
import type { Floor } from './floor/floor.js'
import { coveredMs, type Meter, type Tally } from './meter.js'
import type { Mode, Timer } from './mode.js'
import type { OsnoiseReport } from './osnoise/observer.js'
import { type Bucket, type Percentiles, percentilesOf } from './percentiles.js'
import { overTime, type WorstOverTime } from './timeline.js'

/** A vCPU, and what its thread had; null where it was not found. */
export interface PlacedVcpu {
  readonly number: number
  readonly cpus: string | null
  readonly policy: string | null
  readonly priority: number | null
}

/** What one vCPU has seen. */
interface VcpuResult extends PlacedVcpu {
  readonly worstMicroseconds: number
  /** Intervals of the timer that went by before it was awake. */
  readonly missed: number
  readonly percentiles: Percentiles
}

/** What one run of the guest has seen. */
export interface JitterResult {
  /** null for best effort. */
  readonly profile: string | null
  readonly accelerator: 'kvm' | 'tcg'
  readonly mode: Mode
  /** What wakes the guest, and how often; null when it spins. */
  readonly timer: Timer | null
  readonly intervalMicroseconds: number | null
  /** The vCPU that has seen the worst. */
  readonly vcpu: PlacedVcpu
  /** All that measured. */
  readonly vcpus: readonly VcpuResult[]
  readonly seconds: number
  /** From when the guest ran until counting began: boot excluded, with the placing of its threads. */
  readonly warmUpSeconds: number
  readonly ticksPerMicrosecond: number
  readonly worstMicroseconds: number
  readonly missed: number
  readonly percentiles: Percentiles
  readonly worstOverTime: WorstOverTime
  /** Of all vCPUs: from the shortest that was seen to the longest, without holes. */
  readonly histogram: readonly Bucket[]
  /** What makes it worse than it need be, and what to do. */
  readonly explanations: readonly string[]
  /** What the kernel has counted meanwhile, of each vCPU that measured; absent where nobody has looked. */
  readonly causes?: readonly CauseReport[]
  /** What the osnoise tracer has told meanwhile; absent where nobody has asked. */
  readonly osnoise?: OsnoiseReport
  /** What the host does without a VM; absent where nobody has measured. */
  readonly floor?: Floor
}

/** What records alone say of a run. */
export type Summary = Pick<
  JitterResult,
  | 'timer'
  | 'seconds'
  | 'ticksPerMicrosecond'
  | 'worstMicroseconds'
  | 'missed'
  | 'percentiles'
  | 'worstOverTime'
  | 'histogram'
> & {
  readonly vcpus: readonly Pick<VcpuResult, 'number' | 'worstMicroseconds' | 'missed' | 'percentiles'>[]
}

/**
 * Sums a run up.
 * @param meter each of whose vCPUs has counted a record at least: how fast the counter runs is seen from when they came
 */
export function summarize(meter: Meter): Summary {
  const { tallies, timeline } = meter
  const [first] = tallies
  if (first === undefined || tallies.some(({ end }) => end === null))
    throw new RangeError('one record is too few')
  const speed = ticksPerMicrosecond(first)
  const whole = {
    largest: Math.max(...tallies.map(({ largest }) => largest)),
    missed: sum(tallies.map(({ missed }) => missed)),
    counts: first.counts.map((_, bucket) => sum(tallies.map(({ counts }) => counts[bucket] ?? 0))),
  }
  return {
    timer: first.timer,
    seconds: coveredMs(meter) / 1000,
    ticksPerMicrosecond: speed,
    ...seen(whole, speed),
    worstOverTime: overTime(timeline, speed),
    histogram: histogram(whole.counts, speed),
    vcpus: tallies.map((tally) => ({ number: tally.vcpu, ...seen(tally, speed) })),
  }
}

function ticksPerMicrosecond({ begin, end }: Tally): number {
  return ((end?.ticks ?? 0) - (begin?.ticks ?? 0)) / ((end?.atMs ?? 0) - (begin?.atMs ?? 0)) / 1000
}

function seen({ largest, missed, counts }: Pick<Tally, 'largest' | 'missed' | 'counts'>, speed: number) {
  return {
    worstMicroseconds: largest / speed,
    missed,
    percentiles: percentilesOf(histogram(counts, speed)),
  }
}

/**
 * Turns counts by powers of two of ticks into lengths. @param speed ticks per microsecond
 * @returns from the shortest that was seen to the longest, without holes; none where nothing was
 */
export function histogram(counts: readonly number[], speed: number): Bucket[] {
  const first = counts.findIndex((count) => count > 0)
  const last = counts.findLastIndex((count) => count > 0)
  return counts
    .map((count, bucket) => ({
      fromMicroseconds: 2 ** bucket / speed,
      toMicroseconds: 2 ** (bucket + 1) / speed,
      count,
    }))
    .slice(Math.max(0, first), last + 1)
}

/** How many gaps were certainly as long as a limit: those of buckets that begin there or later. */
export function gapsOver({ histogram }: Pick<JitterResult, 'histogram'>, microseconds: number): number {
  return sum(histogram.filter((one) => one.fromMicroseconds >= microseconds).map(({ count }) => count))
}

/** The same for programs, by the limits that docs/jitter.md names. */
export function lengthsOver(result: Pick<JitterResult, 'histogram'>) {
  return {
    '100us': gapsOver(result, 100),
    '1ms': gapsOver(result, 1000),
    '10ms': gapsOver(result, 10_000),
  }
}

/**
 * How many times lower the second run's worst is than the first's.
 * @returns null unless there are two runs, each with a length
 */
export function worstRatio([first, second]: readonly Pick<JitterResult, 'worstMicroseconds'>[]):
  | number
  | null {
  if (first === undefined || second === undefined) return null
  const ratio = first.worstMicroseconds / second.worstMicroseconds
  return Number.isFinite(ratio) ? ratio : null
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
