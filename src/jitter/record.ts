import type { Timer } from './mode.js'

/** What a vCPU of the guest reports about twice a second; see guest/jitter.S. */
export interface JitterRecord {
  /** From 1, by each vCPU. */
  readonly number: number
  readonly vcpu: number
  /** What wakes it; null when it spins. */
  readonly timer: Timer | null
  /** Ticks of the time-stamp counter that it covers. */
  readonly ticks: number
  /** The longest gap between two readings, or the latest wake-up, in ticks. */
  readonly largest: number
  /** The counter at its end. */
  readonly endTicks: number
  /** Intervals of the timer that went by before the guest was awake. */
  readonly missed: number
  readonly intervalTicks: number
  /** The n-th is the number of lengths of 2^n up to 2^(n+1) - 1 ticks. */
  readonly counts: readonly number[]
}

const MAGIC = Buffer.from('QRT2')
export const BUCKETS = 48
const COUNTS_AT = 48
const SUM_AT = COUNTS_AT + BUCKETS * 4
const BYTES = SUM_AT + 4

/**
 * Takes records out of a stream of bytes, however it is cut. What is between records, and a record whose sum is wrong, is
 * passed over: a record's number shows that one is missing. No more is kept than a record and what came last.
 */
export function makeRecordReader(): (chunk: Buffer) => JitterRecord[] {
  let waiting = Buffer.alloc(0)
  return (chunk) => {
    waiting = Buffer.concat([waiting, chunk])
    const records: JitterRecord[] = []
    for (;;) {
      const start = waiting.indexOf(MAGIC)
      // The magic itself may have been cut.
      waiting = waiting.subarray(start < 0 ? Math.max(0, waiting.length - MAGIC.length + 1) : start)
      if (start < 0 || waiting.length < BYTES) return records
      const record = readRecord(waiting)
      if (record !== null) records.push(record)
      waiting = waiting.subarray(record === null ? MAGIC.length : BYTES)
    }
  }
}

function readRecord(bytes: Buffer): JitterRecord | null {
  if (sumOf(bytes) !== bytes.readUInt32LE(SUM_AT)) return null
  const flags = bytes.readUInt32LE(12)
  return {
    number: bytes.readUInt32LE(4),
    vcpu: bytes.readUInt32LE(8),
    timer: (flags & 1) === 0 ? null : (flags & 2) === 0 ? 'local-apic' : 'tsc-deadline',
    ticks: Number(bytes.readBigUInt64LE(16)),
    largest: Number(bytes.readBigUInt64LE(24)),
    endTicks: Number(bytes.readBigUInt64LE(32)),
    missed: bytes.readUInt32LE(40),
    intervalTicks: bytes.readUInt32LE(44),
    counts: Array.from({ length: BUCKETS }, (_, bucket) => bytes.readUInt32LE(COUNTS_AT + bucket * 4)),
  }
}

function sumOf(bytes: Buffer): number {
  let sum = 0
  for (let at = 0; at < SUM_AT; at += 4) sum = (sum + bytes.readUInt32LE(at)) >>> 0
  return sum
}

/**
 * What a record says that no guest can have measured. It comes from QEMU's process, and whoever reads a result relies on
 * it.
 * @param last number of the record before; null for none that is known
 * @returns what is wrong; null for nothing
 */
export function implausible(record: JitterRecord, last: number | null): string | null {
  const { number, vcpu, ticks, largest, endTicks, counts, timer, intervalTicks } = record
  const of = `record ${number} of vCPU ${vcpu}`
  if (last !== null && number !== last + 1) return `${of} came after record ${last}`
  if (![ticks, largest, endTicks].every(Number.isSafeInteger) || ticks === 0)
    return `${of} has counters out of range`
  const shortest = counts.reduce((total, count, bucket) => total + count * 2 ** bucket, 0)
  const wakes = counts.reduce((total, count) => total + count, 0)
  const most = timer === null ? shortest : wakes * intervalTicks
  // Each gap is time that the record covers; each wake-up has an interval of its own, of which the first may be cut.
  if (timer === null ? most > ticks : most > ticks + 2 * intervalTicks)
    return `${of} counts more than it covers`
  const top = counts.findLastIndex((count) => count > 0)
  const bucket = Math.min(BUCKETS - 1, Math.floor(Math.log2(Math.max(1, largest))))
  return top === bucket || (top < 0 && largest === 0)
    ? null
    : `${of} has its longest outside of what it counts`
}
