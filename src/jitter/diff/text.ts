import { printable } from '../../units/printable.js'
import { formatMicroseconds } from '../microseconds.js'
import { PERCENTILES } from '../percentiles.js'
import type { Difference, JitterDiff } from './compare.js'

/** Below it a ratio is told as a percentage. */
const LEAST_TIMES = 1.5

const NAMES: Readonly<Record<string, string>> = { cpuModel: 'CPU', vcpus: 'vCPUs' }

/** How two results differ, for people. */
export function formatDiff(diff: JitterDiff): string {
  const host = [
    ...facts(diff.host),
    ...diff.commandLine.removed.map((word) => `  command line: - ${word}`),
    ...diff.commandLine.added.map((word) => `  command line: + ${word}`),
    ...diff.checks.map(({ id, ...pair }) => `  check ${id}: ${change(pair)}`),
  ]
  const lines = [
    'Host:',
    ...(diff.isHostKnown
      ? []
      : ['  not known: one of the two is of a version or a mode that does not say it']),
    ...(host.length === 0 && diff.isHostKnown ? ['  no difference'] : host),
    'Run:',
    ...facts(diff.run),
    ...table(diff),
    '',
    verdict(diff),
    '',
  ]
  return lines.map(printable).join('\n')
}

function facts(pairs: Readonly<Record<string, Difference>>): string[] {
  return Object.entries(pairs).map(([name, pair]) => `  ${NAMES[name] ?? name}: ${change(pair)}`)
}

function change({ before, after }: Difference): string {
  return `${before ?? 'none'} -> ${after ?? 'none'}`
}

function table({ before, after }: JitterDiff): string[] {
  const rows: [string, string, string][] = [
    ['', 'before', 'after'],
    ['seconds', before.seconds.toFixed(0), after.seconds.toFixed(0)],
    ...PERCENTILES.map((name): [string, string, string] => [
      `${name} % within`,
      formatMicroseconds(before.percentiles[name]),
      formatMicroseconds(after.percentiles[name]),
    ]),
    ['worst', formatMicroseconds(before.worstMicroseconds), formatMicroseconds(after.worstMicroseconds)],
    ...(before.missed + after.missed === 0
      ? []
      : [['intervals missed', String(before.missed), String(after.missed)] as [string, string, string]]),
  ]
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const cell = (text: string, column: number) =>
    column === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart(widths[column] ?? 0)
  return rows.map((row) => `  ${row.map(cell).join('  ')}`)
}

function verdict({ worstRatio }: JitterDiff): string {
  if (worstRatio === 0) return 'Nothing was measured in the first.'
  if (worstRatio === null) return 'Nothing was measured in the second.'
  const times = (ratio: number) => (ratio >= 10 ? ratio.toFixed(0) : ratio.toFixed(1))
  // By how much the later is above or below the earlier.
  const percent = Math.round(Math.abs(1 - 1 / worstRatio) * 100)
  if (percent === 0) return 'Worst: the same as before.'
  const isFew = Math.max(worstRatio, 1 / worstRatio) < LEAST_TIMES
  if (worstRatio > 1)
    return `Worst: ${isFew ? `${percent} %` : `${times(worstRatio)} times`} lower than before.`
  return `Worst: ${isFew ? `${percent} %` : `${times(1 / worstRatio)} times`} HIGHER than before.`
}
