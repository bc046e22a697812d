import type { Bucket } from '../percentiles.js'
import { foldHistogram } from './histogram.js'

/** What a program has measured on the host without a VM. */
export interface HostSample {
  /** Of the package, as the program says it: `2.60`; null where it does not. */
  readonly version: string | null
  readonly worstMicroseconds: number
  readonly histogram: readonly Bucket[]
}

/** A histogram of so many microseconds is asked for: what is longer is in one bucket. */
export const CYCLICTEST_BUCKETS = 10_000
/** The most that oslat has (`-b`, "4-1024"). */
export const OSLAT_BUCKETS = 1024

/** The part of the files that is read, the same in rt-tests 2.4, 2.6 and 2.10 (cyclictest.c and oslat.c, write_stats). */
interface Thread {
  readonly max: number
  /** cyclictest's number of wake-ups. */
  readonly cycles: number | null
  readonly histogram: readonly (readonly [number, number])[]
}

/**
 * Reads what `cyclictest --json=` has written: a key of the histogram is how many whole microseconds a wake-up was late;
 * what was later than the histogram is long is in none. Version 2.10 leaves the histogram away when none was asked for.
 * @returns null when it is no such file, or no thread has measured
 */
export function parseCyclictest(text: string): HostSample | null {
  const found = parseFile(text)
  if (found === null) return null
  const counted = found.threads.flatMap(({ histogram, cycles, max }) => {
    const known = histogram.map(([key, count]) => bucket(key, key + 1, count))
    const over = (cycles ?? 0) - sum(histogram)
    return over > 0 && histogram.length > 0
      ? [...known, bucket(Math.min(max, CYCLICTEST_BUCKETS), max, over)]
      : known
  })
  return sample(found, counted)
}

/**
 * Reads what `oslat --json=` has written: a key is how many microseconds a gap took, rounded up, and the last one is for all
 * that are longer. `max` is rounded up in version 2.4, down since 2.6: a microsecond's difference.
 * @returns null when it is no such file, or no thread has measured
 */
export function parseOslat(text: string): HostSample | null {
  const found = parseFile(text)
  if (found === null) return null
  const counted = found.threads.flatMap(({ histogram, max }) =>
    histogram.map(([key, count]) => bucket(key - 1, key === OSLAT_BUCKETS ? Math.max(key, max) : key, count)),
  )
  return sample(found, counted)
}

interface Found {
  readonly version: string | null
  readonly threads: readonly Thread[]
}

/** One is asked for; the programs make at most one a CPU. */
const MOST_THREADS = 1024

function parseFile(text: string): Found | null {
  const file = object(parseJson(text))
  const threads = Object.values(object(file?.thread) ?? {}).flatMap((one) => readThread(one) ?? [])
  if (threads.length === 0 || threads.length > MOST_THREADS) return null
  // The colon is the programs' own.
  const version = file?.['rt_test_version:'] ?? file?.rt_test_version
  return { version: typeof version === 'string' ? version : null, threads }
}

function readThread(given: unknown): Thread | null {
  const thread = object(given)
  const max = number(thread?.max)
  if (max === null) return null
  const histogram = Object.entries(object(thread?.histogram) ?? {}).flatMap(([key, value]) => {
    const count = number(value)
    return /^\d{1,9}$/.test(key) && count !== null ? [[Number(key), count] as const] : []
  })
  return { max, cycles: number(thread?.cycles), histogram }
}

function sample({ version, threads }: Found, counted: readonly Bucket[]): HostSample {
  return {
    version,
    worstMicroseconds: Math.max(...threads.map(({ max }) => max)),
    histogram: foldHistogram(counted),
  }
}

function bucket(fromMicroseconds: number, toMicroseconds: number, count: number): Bucket {
  return { fromMicroseconds, toMicroseconds, count }
}

function sum(histogram: Thread['histogram']): number {
  return histogram.reduce((total, [, count]) => total + count, 0)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function object(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null
}

function number(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null
}
