/** What the guest reports about every second; see guest/jitter.S. */
export interface JitterRecord {
  readonly number: number
  /** Ticks of the time-stamp counter that it covers. */
  readonly ticks: number
  /** The largest gap between two readings, in ticks. */
  readonly largest: number
  /** The n-th is the number of gaps of 2^n up to 2^(n+1) - 1 ticks. */
  readonly counts: readonly number[]
}

const MAGIC = Buffer.from('QRTJ')
const BUCKETS = 32
const BYTES = 16 + BUCKETS * 4

/** Takes records out of a stream of bytes, however it is cut; whatever is before a record's beginning is passed over. */
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
      records.push(readRecord(waiting))
      waiting = waiting.subarray(BYTES)
    }
  }
}

function readRecord(bytes: Buffer): JitterRecord {
  return {
    number: bytes.readUInt32LE(4),
    ticks: bytes.readUInt32LE(8),
    largest: bytes.readUInt32LE(12),
    counts: Array.from({ length: BUCKETS }, (_, bucket) => bytes.readUInt32LE(16 + bucket * 4)),
  }
}
