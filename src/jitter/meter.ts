import { guestImplausible } from '../errors/jitter.js'
import type { Timer } from './mode.js'
import { BUCKETS, implausible, type JitterRecord } from './record.js'
import { newTimeline, note, type Timeline } from './timeline.js'

/** What a vCPU has reported, summed up: it takes as much memory after days as after a second. */
export interface Tally {
  readonly vcpu: number
  /** Number of the last record; null before the first. */
  last: number | null
  timer: Timer | null
  /** When what counts began, and its last record: by this host's clock, and by the guest's counter. */
  begin: Moment | null
  end: Moment | null
  largest: number
  missed: number
  intervalTicks: number
  /** By powers of two of ticks; exact up to 2^53. */
  readonly counts: number[]
}

interface Moment {
  readonly atMs: number
  readonly ticks: number
}

/** Everything that the vCPUs of a guest have reported. */
export interface Meter {
  readonly tallies: readonly Tally[]
  readonly timeline: Timeline
  isCounting: boolean
}

export function newMeter(vcpus: readonly number[]): Meter {
  const tallies = vcpus.map(
    (vcpu): Tally => ({
      vcpu,
      last: null,
      timer: null,
      begin: null,
      end: null,
      largest: 0,
      missed: 0,
      intervalTicks: 0,
      counts: Array(BUCKETS).fill(0),
    }),
  )
  return { tallies, timeline: newTimeline(), isCounting: false }
}

/**
 * Takes a record in. Once counting has begun, the first of each vCPU is the one that was being made: its end is where
 * what counts begins.
 * @throws {UserError} exit 69 for what no guest can have measured
 */
export function take(meter: Meter, record: JitterRecord, atMs: number): void {
  const tally = meter.tallies.find(({ vcpu }) => vcpu === record.vcpu)
  if (tally === undefined) throw guestImplausible({ what: `there is no vCPU ${record.vcpu} that measures` })
  const problem = implausible(record, tally.last)
  if (problem !== null) throw guestImplausible({ what: problem })
  tally.last = record.number
  tally.timer = record.timer
  tally.intervalTicks = record.intervalTicks
  if (!meter.isCounting) return
  const moment = { atMs, ticks: record.endTicks }
  if (tally.begin === null) {
    tally.begin = moment
    return
  }
  tally.end = moment
  tally.missed += record.missed
  tally.largest = Math.max(tally.largest, record.largest)
  for (const [bucket, count] of record.counts.entries())
    tally.counts[bucket] = (tally.counts[bucket] ?? 0) + count
  const origin = Math.min(...meter.tallies.flatMap(({ begin }) => begin?.atMs ?? []))
  note(meter.timeline, Math.max(0, atMs - origin), record.largest)
}

/** For how long all of the vCPUs have been counting. */
export function coveredMs({ tallies }: Meter): number {
  return Math.min(...tallies.map(({ begin, end }) => (end?.atMs ?? 0) - (begin?.atMs ?? 0)))
}

/** Whether each vCPU has reported so many records. */
export function haveReported({ tallies }: Meter, records: number): boolean {
  return tallies.every(({ last }) => (last ?? 0) >= records)
}
