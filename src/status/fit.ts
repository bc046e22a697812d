import { formatTable } from '../report/table.js'
import { cut, displayWidth } from '../report/width.js'

/** A column of a table that has to fit a terminal. */
export interface Column {
  readonly heading: string
  readonly isNumber?: boolean
  /** How narrow it may be cut; none when it is never cut. */
  readonly min?: number
  /** Of the columns that may be dropped the lowest goes first; none for one that stays. */
  readonly rank?: number
}

const GAP = 2

/**
 * Lays a table out in a width: cells are cut as far as their columns allow, and when that is not enough the least
 * important column is dropped.
 * @param rows a cell for each column
 * @returns lines without newlines, the heading first
 */
export function fitTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
): string[] {
  const table = [columns.map(({ heading }) => heading), ...rows]
  const natural = columns.map((_, column) => Math.max(...table.map((row) => displayWidth(row[column] ?? ''))))
  const shown = chooseColumns(columns, natural, width)
  const widths = shrink(columns, natural, shown, width)
  const cell = (text: string, column: number) => {
    const short = cut(text, widths[column] ?? 0)
    const padding = Math.max(0, (widths[column] ?? 0) - displayWidth(short))
    return columns[column]?.isNumber ? ' '.repeat(padding) + short : short
  }
  const text = formatTable(table.map((row) => shown.map((column) => cell(row[column] ?? '', column))))
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => cut(line, width))
}

/** Numbers of the columns that fit when every one is cut as far as it may be. */
function chooseColumns(columns: readonly Column[], natural: readonly number[], width: number): number[] {
  const least = (column: number) =>
    Math.min(natural[column] ?? 0, columns[column]?.min ?? Number.POSITIVE_INFINITY)
  const rank = (column: number) => columns[column]?.rank ?? Number.POSITIVE_INFINITY
  let shown = columns.map((_, column) => column)
  while (total(shown.map(least)) > width) {
    const lowest = Math.min(...shown.map(rank))
    if (lowest === Number.POSITIVE_INFINITY) break
    shown = shown.filter((column) => rank(column) > lowest)
  }
  return shown
}

/** Widths of columns, by their numbers: the one that has most to give is cut first. */
function shrink(
  columns: readonly Column[],
  natural: readonly number[],
  shown: readonly number[],
  width: number,
): number[] {
  const widths = [...natural]
  const spare = (column: number) => (widths[column] ?? 0) - (columns[column]?.min ?? widths[column] ?? 0)
  for (;;) {
    const excess = total(shown.map((column) => widths[column] ?? 0)) - width
    const [most] = [...shown].sort((a, b) => spare(b) - spare(a))
    if (excess <= 0 || most === undefined || spare(most) <= 0) return widths
    widths[most] = (widths[most] ?? 0) - Math.min(excess, spare(most))
  }
}

function total(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width, 0) + GAP * Math.max(0, widths.length - 1)
}
