import { printable } from '../units/printable.js'
import { formatBars } from './bars.js'
import { formatCauses } from './cause/text.js'
import { floorHeadline, formatFloor } from './floor/text.js'
import { describeRatio, lineOver, nameOf, scheduling, WIDTH, wrap } from './lines.js'
import { formatMicroseconds } from './microseconds.js'
import { TIMERS, WORDS } from './mode.js'
import { formatOsnoise } from './osnoise/text.js'
import { type JitterResult, type PlacedVcpu, worstRatio } from './result.js'

/**
 * One or two results for people: what the guest saw as a histogram, two side by side, and what explains it. 80 columns at
 * most, no colour.
 * @param limit microseconds that the worst must not be above; null for no limit
 */
export function formatJitter(results: readonly JitterResult[], limit: number | null = null): string {
  const ratio = worstRatio(results)
  // Best effort beside a profile is what that is compared with: nobody asks how to mend it.
  const last = results.at(-1)
  const explained = last?.explanations ?? []
  const mode = last?.mode ?? 'spin'
  const lines = [
    ...results.flatMap(summary),
    '',
    ...formatBars(
      results.map((result) => ({ ...result, title: nameOf(result) })),
      WIDTH,
      WORDS[mode].from,
    ),
    ...(explained.length === 0 ? [] : ['', ...explained.flatMap((text) => wrap(`- ${text}`))]),
    ...(last?.causes ?? []).flatMap((one) => ['', ...formatCauses(one).flatMap((line) => wrap(line))]),
    ...(last?.osnoise === undefined
      ? []
      : ['', ...formatOsnoise(last.osnoise).flatMap((line) => wrap(line))]),
    ...(ratio === null ? [] : ['', describeRatio(ratio, capital(WORDS[mode].worst))]),
    ...(last === undefined || limit === null ? [] : ['', describeLimit(last, limit)]),
    '',
  ]
  return lines.map(printable).join('\n')
}

function describeLimit({ mode, worstMicroseconds }: JitterResult, limit: number): string {
  const verdict = worstMicroseconds > limit ? 'OVER' : 'within'
  return `${capital(WORDS[mode].worst)}: ${verdict} the limit of ${formatMicroseconds(limit)}.`
}

function summary(result: JitterResult): string[] {
  const { accelerator, mode, seconds, worstMicroseconds, vcpu, vcpus, missed, floor } = result
  const headline = floor === undefined ? null : floorHeadline(floor)
  const how = [nameOf(result), accelerator.toUpperCase(), ...timer(result), `${seconds.toFixed(0)} s`]
  return [
    `${how.join(', ')}: ${WORDS[mode].worst} ${formatMicroseconds(worstMicroseconds)}${headline === null ? '' : `, ${headline}`}`,
    ...(vcpus.length > 1 ? vcpus.map(row) : vcpu.cpus === null ? [] : [`  ${where(vcpu)}`]),
    `  ${WORDS[mode].many}: ${lineOver(result)}${missed > 0 ? `; intervals missed: ${missed}` : ''}`,
    ...(floor === undefined ? [] : formatFloor(floor).flatMap((line) => wrap(line))),
  ]
}

function timer({ timer, intervalMicroseconds }: JitterResult): string[] {
  if (timer === null || intervalMicroseconds === null) return []
  return [`${TIMERS[timer]} timer of ${formatMicroseconds(intervalMicroseconds)}`]
}

/** Of several vCPUs one. */
function row(vcpu: JitterResult['vcpus'][number]): string {
  const { worstMicroseconds, percentiles } = vcpu
  const common = `99.99 % within ${formatMicroseconds(percentiles['99.99'])}`
  return `  ${where(vcpu)}: worst ${formatMicroseconds(worstMicroseconds)}, ${common}`
}

function where(vcpu: PlacedVcpu): string {
  return vcpu.cpus === null
    ? `vCPU ${vcpu.number}`
    : `vCPU ${vcpu.number} on CPU ${vcpu.cpus}, ${scheduling(vcpu)}`
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
