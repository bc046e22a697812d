import { formatMicroseconds } from '../microseconds.js'
import { COLUMNS, type Column } from './columns.js'
import type { OsnoiseReport } from './observer.js'

/** Kinds that a line names. */
const MOST_KINDS = 3

/** What the osnoise tracer has told, a line for each CPU and column. */
export function formatOsnoise({ cpus, notRead }: OsnoiseReport): string[] {
  if (notRead !== null) return [`not read: osnoise: ${notRead}`]
  return cpus.flatMap(({ cpu, columns }) => [
    `osnoise on CPU ${cpu} while the guest ran, without what hardware takes:`,
    ...columns.map((column) => `  ${line(column)}`),
  ])
}

function line({ column, count, microseconds, longestMicroseconds, kinds }: Column): string {
  const { name, kind } = COLUMNS[column]
  if (count === 0) return `${name}: none`
  const named = kind === null ? [] : kinds.slice(0, MOST_KINDS).map((one) => `${one.name} ${one.count}`)
  const which = named.length === 0 ? '' : `: ${named.join(', ')}${kinds.length > named.length ? ', …' : ''}`
  return `${name}: ${count}, ${formatMicroseconds(microseconds)} in all, each at most ${formatMicroseconds(longestMicroseconds)}${which}`
}
