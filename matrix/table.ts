import type { Result } from './results.js'

/** One release's row. */
export interface Row {
  readonly title: string
  readonly result: Result
  /** Why tests were skipped. */
  readonly reasons: readonly string[]
}

const HEADINGS = [
  'release',
  'QEMU',
  'libvirt',
  'DPDK',
  'Node',
  'npm',
  'RT kernel',
  'passed',
  'failed',
  'skipped',
]

/** @returns the rows as aligned columns, with a heading, for a terminal */
export function textTable(rows: readonly Row[]): string {
  const cells = [HEADINGS, ...rows.map(cellsOf)]
  const widths = HEADINGS.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  const lines = cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
  return `${lines.join('\n')}\n`
}

/**
 * Puts the rows into a page with a table whose first column is the release: a release that is there already is replaced,
 * others stay.
 * @param page Markdown
 */
export function withRows(page: string, rows: readonly Row[]): string {
  const lines = page.split('\n')
  const start = lines.findIndex((line) => line.startsWith('| release '))
  if (start === -1) throw new Error('the page has no table of releases')
  const end = lines.findIndex((line, at) => at > start && !line.startsWith('|'))
  const kept = lines.slice(start + 2, end)
  for (const row of rows) {
    const made = markdownRow(row)
    const at = kept.findIndex((line) => line.startsWith(`| ${row.title} |`))
    if (at === -1) kept.push(made)
    else kept[at] = made
  }
  const heading = [`| ${HEADINGS.join(' | ')} |`, `| ${HEADINGS.map(() => '---').join(' | ')} |`]
  return [...lines.slice(0, start), ...heading, ...kept, ...lines.slice(end)].join('\n')
}

function markdownRow(row: Row): string {
  return `| ${cellsOf(row)
    .map((cell) => cell.replaceAll('|', '\\|'))
    .join(' | ')} |`
}

/** A part that was not run has a dash. */
function cellsOf({ title, result: { facts, suite, lab }, reasons }: Row): string[] {
  const parts = (count: 'passed' | 'failed') => `${suite?.[count] ?? '-'} + ${lab?.[count] ?? '-'}`
  const why = reasons.length === 0 ? '' : `: ${reasons.join('; ')}`
  return [
    title,
    ...['qemu', 'libvirt', 'dpdk', 'node', 'npm', 'kernel'].map((name) => facts[name] || 'not known'),
    parts('passed'),
    parts('failed'),
    `${suite?.skipped ?? '-'}${why}`,
  ]
}
