import { formatMicroseconds } from './microseconds.js'
import type { JitterResult } from './result.js'

/** One histogram, and what to call it beside another. */
interface Histogram extends Pick<JitterResult, 'histogram' | 'ticksPerMicrosecond'> {
  readonly title: string
}

/**
 * Draws histograms beside each other, a row for each length of gaps. Bars are logarithmic, since a few long gaps matter
 * among millions of short ones, and of one scale, so that they can be compared.
 * @param width columns of the picture at most
 * @param label what the lengths are, above them
 */
export function formatBars(histograms: readonly Histogram[], width: number, label = 'gaps from'): string[] {
  const columns = histograms.map(countsByPower)
  const powers = columns.flatMap((counts) => [...counts.keys()])
  const least = Math.min(...powers)
  const rows = Array.from({ length: Math.max(...powers) - least + 1 }, (_, index) => least + index)
  const perMicrosecond = histograms[0]?.ticksPerMicrosecond ?? 1
  const labels = rows.map((power) => formatMicroseconds(2 ** power / perMicrosecond))
  const labelWidth = Math.max(label.length, ...labels.map(({ length }) => length))
  const columnWidth = Math.floor((width - INDENT.length - labelWidth) / histograms.length) - GAP.length
  const most = Math.max(...columns.flatMap((counts) => [...counts.values()]))
  const drawn = columns.map((counts) => drawColumn(counts, rows, most, columnWidth))
  const titles = histograms.map(({ title }) => title.slice(0, columnWidth))
  const lines: (readonly [string, ...string[]])[] = [
    ...(histograms.length > 1 ? [['', ...titles] as const] : []),
    [label, ...drawn.map(({ head }) => head)],
    ...labels.map((from, row) => [from, ...drawn.map(({ lines }) => lines[row] ?? '')] as const),
  ]
  return lines.map(([from, ...cells]) =>
    [INDENT + from.padStart(labelWidth), ...cells.map((cell) => cell.padEnd(columnWidth))]
      .join(GAP)
      .trimEnd(),
  )
}

const INDENT = '  '
const GAP = '  '
const COUNT = 'count'

/** Counts by the power of two of ticks that their bucket begins at: the same for runs that measure ticks differently. */
function countsByPower({ histogram, ticksPerMicrosecond }: Histogram): Map<number, number> {
  return new Map(
    histogram.map(({ fromMicroseconds, count }) => [
      Math.round(Math.log2(fromMicroseconds * ticksPerMicrosecond)),
      count,
    ]),
  )
}

function drawColumn(
  counts: ReadonlyMap<number, number>,
  powers: readonly number[],
  most: number,
  width: number,
) {
  const numbers = powers.map((power) => counts.get(power) ?? 0)
  const numberWidth = Math.max(COUNT.length, ...numbers.map((count) => String(count).length))
  const room = width - numberWidth - GAP.length
  return {
    head: COUNT.padStart(numberWidth),
    lines: numbers.map((count) => String(count).padStart(numberWidth) + GAP + bar(count, most, room)),
  }
}

/** A gap that was seen at all is seen in the picture. */
function bar(count: number, most: number, room: number): string {
  const length = Math.round((Math.log2(count + 1) / Math.log2(most + 1)) * room)
  return '#'.repeat(count === 0 ? 0 : Math.max(1, length))
}
