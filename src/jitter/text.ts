import { printable } from '../units/printable.js'
import { formatBars } from './bars.js'
import { formatCauses } from './cause/text.js'
import { floorHeadline, formatFloor } from './floor/text.js'
import { formatMicroseconds } from './microseconds.js'
import { gapsOver, type JitterResult } from './result.js'

/** A terminal's. */
const WIDTH = 80

const LIMITS_MICROSECONDS = [100, 1000, 10_000]

/**
 * One or two results for people: what the guest saw as a histogram, two side by side, and what explains it. 80 columns at
 * most, no colour.
 */
export function formatJitter(results: readonly JitterResult[]): string {
  const ratio = worstRatio(results)
  // Best effort beside a profile is what that is compared with: nobody asks how to mend it.
  const explained = results.at(-1)?.explanations ?? []
  const lines = [
    ...results.flatMap(summary),
    '',
    ...formatBars(
      results.map((result) => ({ ...result, title: nameOf(result) })),
      WIDTH,
    ),
    ...(explained.length === 0 ? [] : ['', ...explained.flatMap((text) => wrap(`- ${text}`))]),
    ...(results.at(-1)?.causes ?? []).flatMap((one) => ['', ...formatCauses(one).flatMap(wrap)]),
    ...(ratio === null ? [] : ['', describeRatio(ratio)]),
    '',
  ]
  return lines.map(printable).join('\n')
}

/** How many times lower the second run's worst gap is than the first's; null unless there are two runs. */
export function worstRatio([first, second]: readonly JitterResult[]): number | null {
  return first === undefined || second === undefined
    ? null
    : first.worstMicroseconds / second.worstMicroseconds
}

function describeRatio(ratio: number): string {
  const times = (number: number) => (number >= 10 ? number.toFixed(0) : number.toFixed(1))
  return ratio >= 1
    ? `Worst gap with the profile: ${times(ratio)} times lower than best effort.`
    : `Worst gap with the profile: ${times(1 / ratio)} times HIGHER than best effort.`
}

function nameOf({ profile }: JitterResult): string {
  return profile === null ? 'Best effort' : `Profile '${profile}'`
}

function summary(result: JitterResult): string[] {
  const { accelerator, seconds, worstMicroseconds, vcpu, floor } = result
  const headline = floor === undefined ? null : floorHeadline(floor)
  const over = LIMITS_MICROSECONDS.map(
    (limit) => `${gapsOver(result, limit)} over ${formatMicroseconds(limit)}`,
  )
  const head = `${nameOf(result)}, ${accelerator.toUpperCase()}, ${seconds.toFixed(0)} s`
  const thread = vcpu.cpus === null ? [] : [`  vCPU ${vcpu.number} on CPU ${vcpu.cpus}, ${scheduling(vcpu)}`]
  return [
    `${head}: worst gap ${formatMicroseconds(worstMicroseconds)}${headline === null ? '' : `, ${headline}`}`,
    ...thread,
    `  gaps: ${over.join(', ')}`,
    ...(floor === undefined ? [] : formatFloor(floor).flatMap(wrap)),
  ]
}

function scheduling({ policy, priority }: JitterResult['vcpu']): string {
  return priority ? `${policy} ${priority}` : `${policy}`
}

function wrap(text: string): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const line = lines.at(-1)
    if (line !== undefined && line.length + 1 + word.length <= WIDTH)
      lines[lines.length - 1] = `${line} ${word}`
    else lines.push(line === undefined ? `  ${word}` : `    ${word}`)
  }
  return lines
}
