/** Gaps, or wake-ups, of a length. */
export interface Bucket {
  readonly fromMicroseconds: number
  readonly toMicroseconds: number
  readonly count: number
}

export const PERCENTILES = ['50', '99', '99.9', '99.99', '99.999'] as const

/** Microseconds within which so many of a hundred lengths were: the upper end of the bucket that the last of them is in. */
export type Percentiles = Readonly<Record<(typeof PERCENTILES)[number], number>>

export function percentilesOf(buckets: readonly Bucket[]): Percentiles {
  const total = buckets.reduce((sum, { count }) => sum + count, 0)
  const within = (percent: number) => {
    let left = (total * percent) / 100
    for (const { count, toMicroseconds } of buckets) {
      left -= count
      if (left <= 0) return toMicroseconds
    }
    return buckets.at(-1)?.toMicroseconds ?? 0
  }
  return {
    '50': within(50),
    '99': within(99),
    '99.9': within(99.9),
    '99.99': within(99.99),
    '99.999': within(99.999),
  }
}
