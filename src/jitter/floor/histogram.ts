import type { Bucket } from '../percentiles.js'

/**
 * Sums a histogram of whole microseconds up by powers of two, so that it stays short and reads as the guest's.
 * @returns from the first bucket that has a sample to the last, without holes
 */
export function foldHistogram(counted: readonly Bucket[]): Bucket[] {
  const powers = new Map<number, number>()
  for (const { fromMicroseconds, count } of counted) {
    if (count === 0) continue
    const power = fromMicroseconds < 1 ? 0 : Math.floor(Math.log2(fromMicroseconds)) + 1
    powers.set(power, (powers.get(power) ?? 0) + count)
  }
  const used = [...powers.keys()]
  if (used.length === 0) return []
  const first = Math.min(...used)
  return Array.from({ length: Math.max(...used) - first + 1 }, (_, index) => first + index).map((power) => ({
    fromMicroseconds: power === 0 ? 0 : 2 ** (power - 1),
    toMicroseconds: 2 ** power,
    count: powers.get(power) ?? 0,
  }))
}
