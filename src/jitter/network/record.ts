/** Counts of frames, in the order in which the guest reports them (guest/network.S, SENT). */
const FRAME_COUNTS = [
  'sent',
  'received',
  'lost',
  'late',
  'duplicates',
  'reordered',
  'foreign',
  'unsent',
  'skipped',
] as const

/**
 * What became of frames. `sent` is `received` and `lost` together.
 *
 * - `received`: came back within about a second; these are the round trips that are measured
 * - `lost`: did not; `late` of them (or of an earlier record's) came back after all
 * - `duplicates`: came back once more
 * - `reordered`: received after one that was sent later (RFC 4737)
 * - `foreign`: frames that are not of this run
 * - `unsent`: were due while the switch had taken none of 256 that wait
 * - `skipped`: were due while the sender did not run
 */
export type FrameCounts = Readonly<Record<(typeof FRAME_COUNTS)[number], number>>

/** What a guest of the network mode reports; the echo does so once, when it is ready. */
export interface NetworkRecord {
  readonly number: number
  /** The time-stamp counter when it was made. */
  readonly ticks: bigint
  /** The longest round trip, in ticks. */
  readonly longest: number
  /** The n-th is the number of round trips of 2^n up to 2^(n+1) - 1 ticks. */
  readonly counts: readonly number[]
  readonly frames: FrameCounts
}

/** Why a guest cannot drive its device: 1 and up, see `start_device` of guest/virtio-net.S. */
export interface GuestFailure {
  readonly failure: number
}

const RECORD_MAGIC = Buffer.from('QRTN')
const FAILURE_MAGIC = Buffer.from('QRTE')
const BUCKETS = 32
const COUNTS_AT = 20
const FRAMES_AT = COUNTS_AT + BUCKETS * 4
const RECORD_BYTES = FRAMES_AT + FRAME_COUNTS.length * 4
const FAILURE_BYTES = 5

/** Takes records out of a stream of bytes, however it is cut; what does not begin one is passed over. */
export function makeNetworkReader(): (chunk: Buffer) => (NetworkRecord | GuestFailure)[] {
  let waiting = Buffer.alloc(0)
  return (chunk) => {
    waiting = Buffer.concat([waiting, chunk])
    const found: (NetworkRecord | GuestFailure)[] = []
    for (;;) {
      const start = firstMagic(waiting)
      // The magic itself may have been cut.
      waiting = waiting.subarray(start ?? Math.max(0, waiting.length - RECORD_MAGIC.length + 1))
      if (start === null) return found
      const isFailure = waiting.indexOf(FAILURE_MAGIC) === 0
      const bytes = isFailure ? FAILURE_BYTES : RECORD_BYTES
      if (waiting.length < bytes) return found
      found.push(isFailure ? { failure: waiting.readUInt8(4) } : readRecord(waiting))
      waiting = waiting.subarray(bytes)
    }
  }
}

function firstMagic(bytes: Buffer): number | null {
  const starts = [RECORD_MAGIC, FAILURE_MAGIC]
    .map((magic) => bytes.indexOf(magic))
    .filter((start) => start >= 0)
  return starts.length === 0 ? null : Math.min(...starts)
}

function readRecord(bytes: Buffer): NetworkRecord {
  return {
    number: bytes.readUInt32LE(4),
    ticks: bytes.readBigUInt64LE(8),
    longest: bytes.readUInt32LE(16),
    counts: Array.from({ length: BUCKETS }, (_, bucket) => bytes.readUInt32LE(COUNTS_AT + bucket * 4)),
    frames: framesBy((_, index) => bytes.readUInt32LE(FRAMES_AT + index * 4)),
  }
}

/** Adds up what became of frames. */
export function addFrames(a: FrameCounts, b: FrameCounts): FrameCounts {
  return framesBy((name) => a[name] + b[name])
}

export const NO_FRAMES = framesBy(() => 0)

function framesBy(count: (name: keyof FrameCounts, index: number) => number): FrameCounts {
  return Object.fromEntries(FRAME_COUNTS.map((name, index) => [name, count(name, index)])) as FrameCounts
}
