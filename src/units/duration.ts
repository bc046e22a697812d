/** Longer than any length of time that means something here. */
const LONGEST = 32

const MICROSECONDS = { ns: 1e-3, us: 1, ms: 1e3, s: 1e6 } as const

/**
 * Reads a length of time with its unit: `250us`, `1.5 ms`, `1s`. A bare number is none: nobody can tell what it counts.
 * @returns microseconds; null for what is no length of time
 */
export function parseDuration(text: string): number | null {
  const [, number, unit] =
    (text.length > LONGEST ? null : /^(\d+(?:\.\d+)?) ?(ns|us|ms|s)$/.exec(text.trim())) ?? []
  return unit === undefined ? null : Number(number) * MICROSECONDS[unit as keyof typeof MICROSECONDS]
}
