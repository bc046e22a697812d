import { type Bucket, gapsOver, type JitterResult } from './result.js'

const WIDTH = 80
const LIMITS_MICROSECONDS = [100, 1000, 10_000]

/** One or two results for people: a histogram of what the guest saw, and what explains it. 80 columns at most. */
export function formatJitter(results: readonly JitterResult[]): string {
  const ratio = worstRatio(results)
  return [
    ...results.flatMap((result, index) => [...(index === 0 ? [] : ['']), ...section(result)]),
    ...(ratio === null ? [] : ['', describeRatio(ratio)]),
    '',
  ].join('\n')
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

function section(result: JitterResult): string[] {
  const { profile, accelerator, seconds, worstMicroseconds, histogram, explanations } = result
  const name = profile === null ? 'Best effort' : `Profile '${profile}'`
  const over = LIMITS_MICROSECONDS.map(
    (limit) => `${gapsOver(result, limit)} over ${formatMicroseconds(limit)}`,
  )
  return [
    `${name}, ${accelerator.toUpperCase()}, ${seconds.toFixed(0)} s: worst gap ${formatMicroseconds(worstMicroseconds)}`,
    `  gaps: ${over.join(', ')}`,
    ...bars(histogram),
    ...explanations.flatMap((text) => wrap(`- ${text}`)),
  ]
}

/** One row a bucket; the bars are logarithmic, since a few long gaps matter among millions of short ones. */
function bars(histogram: readonly Bucket[]): string[] {
  const labels = [
    'gaps from',
    ...histogram.map(({ fromMicroseconds }) => formatMicroseconds(fromMicroseconds)),
  ]
  const counts = ['count', ...histogram.map(({ count }) => String(count))]
  const labelWidth = Math.max(...labels.map((label) => label.length))
  const countWidth = Math.max(...counts.map((count) => count.length))
  const room = WIDTH - labelWidth - countWidth - 6
  const most = Math.log2(Math.max(...histogram.map(({ count }) => count)) + 1)
  return labels.map((label, index) => {
    const count = histogram[index - 1]?.count ?? 0
    const length = count === 0 ? 0 : Math.max(1, Math.round((Math.log2(count + 1) / most) * room))
    const columns = [
      label.padStart(labelWidth),
      (counts[index] ?? '').padStart(countWidth),
      '#'.repeat(length),
    ]
    return `  ${columns.join('  ')}`.trimEnd()
  })
}

/** `700 ns`, `8.4 us`, `13 ms`. */
export function formatMicroseconds(microseconds: number): string {
  const [number, unit] =
    microseconds < 0.95
      ? [microseconds * 1000, 'ns']
      : microseconds < 1000
        ? [microseconds, 'us']
        : [microseconds / 1000, 'ms']
  return `${number < 9.95 && unit !== 'ns' ? Number(number.toFixed(1)) : number.toFixed(0)} ${unit}`
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
