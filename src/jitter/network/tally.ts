import { histogram, type JitterResult } from '../result.js'
import { addFrames, type FrameCounts, type NetworkRecord, NO_FRAMES } from './record.js'

/** What the sender has seen so far; of one size however long it runs. */
export interface Tally {
  /** The record after which is counted, and the last one. */
  readonly begin: Moment
  readonly end: Moment
  readonly longest: number
  readonly counts: readonly number[]
  readonly frames: FrameCounts
}

/** When a record came, and the guest's counter then. */
interface Moment {
  readonly atMs: number
  readonly ticks: bigint
}

/** What the round trips of a run were. */
export interface RoundTrips {
  readonly seconds: number
  readonly ticksPerMicrosecond: number
  readonly worstMicroseconds: number
  /** From the shortest that was seen to the longest, without holes; empty when no frame has come back. */
  readonly histogram: JitterResult['histogram']
  readonly frames: FrameCounts
}

/** Begins to count with the record after this one. */
export function beginTally({ ticks }: NetworkRecord, atMs: number): Tally {
  const begin = { atMs, ticks }
  return { begin, end: begin, longest: 0, counts: [], frames: NO_FRAMES }
}

export function addRecord(tally: Tally, record: NetworkRecord, atMs: number): Tally {
  return {
    begin: tally.begin,
    end: { atMs, ticks: record.ticks },
    longest: Math.max(tally.longest, record.longest),
    counts: record.counts.map((count, bucket) => count + (tally.counts[bucket] ?? 0)),
    frames: addFrames(tally.frames, record.frames),
  }
}

/** @returns how much time is counted */
export function talliedMs({ begin, end }: Tally): number {
  return end.atMs - begin.atMs
}

/** Turns ticks into microseconds, by when records came. @param tally of one record at least */
export function roundTrips(tally: Tally): RoundTrips {
  const { begin, end, counts, longest, frames } = tally
  const ticksPerMicrosecond = Number(end.ticks - begin.ticks) / talliedMs(tally) / 1000
  return {
    seconds: talliedMs(tally) / 1000,
    ticksPerMicrosecond,
    worstMicroseconds: longest / ticksPerMicrosecond,
    histogram: histogram(counts, ticksPerMicrosecond),
    frames,
  }
}
