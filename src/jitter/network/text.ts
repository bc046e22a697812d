import { printable } from '../../units/printable.js'
import { formatBars } from '../bars.js'
import { formatMicroseconds } from '../microseconds.js'
import { gapsOver } from '../result.js'
import { worstRatio } from './json.js'
import type { FrameCounts } from './record.js'
import type { NetworkResult, NetworkVcpu } from './result.js'

/** A terminal's. */
const WIDTH = 80

const LIMITS_MICROSECONDS = [100, 1000, 10_000]

/**
 * One or two results for people: what became of the frames, their round trips as a histogram, two side by side, and what
 * explains them. 80 columns at most, no colour.
 */
export function formatNetwork(results: readonly NetworkResult[]): string {
  const ratio = worstRatio(results)
  const last = results.at(-1)
  const meaningless = last?.meaningless ?? null
  // Best effort beside a profile is what that is compared with: nobody asks how to mend it.
  const explained = last?.explanations ?? []
  const seen = results.filter(({ histogram }) => histogram.length > 0)
  const lines = [
    ...results.flatMap(summary),
    ...(meaningless === null
      ? []
      : ['', ...wrap(`MEANINGLESS as figures of the network: ${meaningless}.`, '')]),
    ...(seen.length === 0
      ? []
      : [
          '',
          ...formatBars(
            seen.map((result) => ({ ...result, title: nameOf(result) })),
            WIDTH,
            'back after',
          ),
        ]),
    ...(explained.length === 0 ? [] : ['', ...explained.flatMap((text) => wrap(`- ${text}`))]),
    ...(ratio === null ? [] : ['', describeRatio(ratio)]),
    '',
  ]
  return lines.map(printable).join('\n')
}

function describeRatio(ratio: number): string {
  const times = (number: number) => (number >= 10 ? number.toFixed(0) : number.toFixed(1))
  return ratio >= 1
    ? `Worst round trip with the profile: ${times(ratio)} times lower than best effort.`
    : `Worst round trip with the profile: ${times(1 / ratio)} times HIGHER than best effort.`
}

function nameOf({ profile }: NetworkResult): string {
  return profile === null ? 'Best effort' : `Profile '${profile}'`
}

function summary(result: NetworkResult): string[] {
  const { accelerator, seconds, worstMicroseconds, frames } = result
  const head = `${nameOf(result)}, ${accelerator.toUpperCase()}, ${seconds.toFixed(0)} s`
  const over = LIMITS_MICROSECONDS.map(
    (limit) => `${gapsOver(result, limit)} over ${formatMicroseconds(limit)}`,
  )
  const rare = RARE.flatMap(([name, words]) => (frames[name] === 0 ? [] : [`${frames[name]} ${words}`]))
  return [
    `${head}: worst round trip ${frames.received === 0 ? 'unknown' : formatMicroseconds(worstMicroseconds)}`,
    ...result.vcpus.flatMap(thread),
    ...switchLine(result),
    ...wrap(
      `frames of ${result.frameBytes} bytes, one each ${formatMicroseconds(result.intervalMicroseconds)}: ` +
        `${frames.sent} sent, ${frames.received} back, ${frames.lost} lost, ${frames.reordered} reordered`,
    ),
    ...(rare.length === 0 ? [] : wrap(`also: ${rare.join(', ')}`)),
    `  round trips: ${over.join(', ')}`,
  ]
}

/** What is said only when it was seen. */
const RARE: readonly (readonly [keyof FrameCounts, string])[] = [
  ['late', 'back after they were counted as lost'],
  ['duplicates', 'back twice'],
  ['unsent', 'not sent, since the switch took none'],
  ['skipped', 'not sent, since the sender did not run'],
  ['foreign', "not the sender's"],
]

function thread({ role, number, cpus, policy, priority }: NetworkVcpu): string[] {
  if (cpus === null) return []
  return [`  ${role}: vCPU ${number} on CPU ${cpus}, ${priority ? `${policy} ${priority}` : policy}`]
}

function switchLine({ switch: plan }: NetworkResult): string[] {
  return plan === null ? [] : [`  switch: testpmd on CPU ${plan.pollCpu}, in ${plan.memory}`]
}

function wrap(text: string, indent = '  '): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const line = lines.at(-1)
    if (line !== undefined && line.length + 1 + word.length <= WIDTH)
      lines[lines.length - 1] = `${line} ${word}`
    else lines.push(line === undefined ? `${indent}${word}` : `${indent}  ${word}`)
  }
  return lines
}
