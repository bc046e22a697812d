import { formatMicroseconds } from './microseconds.js'
import { gapsOver, type JitterResult } from './result.js'

/** Columns of a terminal. */
export const WIDTH = 80

/** Breaks a text into lines; those after the first are indented by two more. */
export function wrap(text: string, indent = '  '): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const line = lines.at(-1)
    if (line !== undefined && line.length + 1 + word.length <= WIDTH)
      lines[lines.length - 1] = `${line} ${word}`
    else lines.push(line === undefined ? `${indent}${word}` : `${indent}  ${word}`)
  }
  return lines
}

/** A run's name. @param profile null for best effort */
export function nameOf({ profile }: Pick<JitterResult, 'profile'>): string {
  return profile === null ? 'Best effort' : `Profile '${profile}'`
}

/** How a thread is scheduled: `fifo 1`, `other`. */
export function scheduling({ policy, priority }: Pick<JitterResult['vcpu'], 'policy' | 'priority'>): string {
  return priority ? `${policy} ${priority}` : `${policy}`
}

const LIMITS_MICROSECONDS = [100, 1000, 10_000]

/** `265 over 100 us, 93 over 1 ms, 0 over 10 ms` */
export function lineOver(result: Pick<JitterResult, 'histogram'>): string {
  return LIMITS_MICROSECONDS.map(
    (limit) => `${gapsOver(result, limit)} over ${formatMicroseconds(limit)}`,
  ).join(', ')
}

/** @param ratio how many times lower the profile's worst is @param what the worst, at the beginning of a sentence */
export function describeRatio(ratio: number, what: string): string {
  const times = (number: number) => (number >= 10 ? number.toFixed(0) : number.toFixed(1))
  return ratio >= 1
    ? `${what} with the profile: ${times(ratio)} times lower than best effort.`
    : `${what} with the profile: ${times(1 / ratio)} times HIGHER than best effort.`
}
