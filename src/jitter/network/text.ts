import { printable } from '../../units/printable.js'
import { formatBars } from '../bars.js'
import { describeRatio, lineOver, nameOf, scheduling, WIDTH, wrap } from '../lines.js'
import { formatMicroseconds } from '../microseconds.js'
import { worstRatio } from '../result.js'
import type { FrameCounts } from './record.js'
import type { NetworkResult, NetworkVcpu } from './result.js'

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
    ...(ratio === null ? [] : ['', describeRatio(ratio, 'Worst round trip')]),
    '',
  ]
  return lines.map(printable).join('\n')
}

function summary(result: NetworkResult): string[] {
  const { accelerator, seconds, worstMicroseconds, frames } = result
  const head = `${nameOf(result)}, ${accelerator.toUpperCase()}, ${seconds.toFixed(0)} s`
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
    `  round trips: ${lineOver(result)}`,
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

function thread(vcpu: NetworkVcpu): string[] {
  const { role, number, cpus } = vcpu
  return cpus === null ? [] : [`  ${role}: vCPU ${number} on CPU ${cpus}, ${scheduling(vcpu)}`]
}

function switchLine({ switch: plan }: NetworkResult): string[] {
  return plan === null ? [] : [`  switch: testpmd on CPU ${plan.pollCpu}, in ${plan.memory}`]
}
