import { printable } from '../units/printable.js'
import { displayWidth, padTo } from './width.js'

/** Lays rows out in columns, two blanks apart, as lspci-like tools do; the first row is the heading. Cells may be text from outside. */
export function formatTable(cells: readonly (readonly string[])[]): string {
  const rows = cells.map((row) => row.map(printable))
  const columns = Math.max(0, ...rows.map((row) => row.length))
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => displayWidth(row[column] ?? ''))),
  )
  const line = (row: readonly string[]) =>
    row.map((cell, column) => padTo(cell, widths[column] ?? 0)).join('  ')
  return rows.map((row) => `${line(row).trimEnd()}\n`).join('')
}
