import { printable } from '../units/printable.js'
import { GROUPS, type Level } from './check.js'
import { count, type Result } from './run.js'

/** A piece of a line, and how it looks where there is colour. */
interface Piece {
  readonly text: string
  readonly level?: Level
}

/** As virt-host-validate writes them (libvirt tools/virt-host-validate-common.c), and in its colours. */
const WORDS: Readonly<Record<Level, { readonly word: string; readonly colour: string }>> = {
  pass: { word: 'PASS', colour: '\x1b[32m' },
  fail: { word: 'FAIL', colour: '\x1b[31m' },
  warn: { word: 'WARN', colour: '\x1b[33m' },
  note: { word: 'NOTE', colour: '\x1b[34m' },
  unknown: { word: 'NOT KNOWN', colour: '\x1b[35m' },
}

/**
 * Writes results for people: a line each, grouped; what was looked for, how it ended, and in parentheses what is there and
 * what to do. The summary is last.
 */
export function checksText(results: readonly Result[], hasColour: boolean): string {
  const width = Math.max(0, ...results.map((result) => heading(result).length))
  const groups = GROUPS.flatMap((group) => {
    const own = results.filter((result) => result.group === group)
    return own.length === 0 ? [] : [own.map((result) => line(result, width, hasColour)).join('')]
  })
  return `${groups.join('\n')}\n${summary(results)}\n`
}

function heading({ id, look }: Result): string {
  return `${id}: Checking ${look}`
}

function line(result: Result, width: number, hasColour: boolean): string {
  const { level, applies, found, fix } = result
  const details = [level === 'pass' && applies ? '' : found, fix ?? '']
    .filter((text) => text !== '')
    .join('; ')
  const pieces: Piece[] = [
    { text: `${heading(result).padEnd(width)} : ` },
    { text: WORDS[level].word, level },
    { text: details === '' ? '' : ` (${printable(details)})` },
  ]
  return `${pieces.map((piece) => paint(piece, hasColour)).join('')}\n`
}

function paint({ text, level }: Piece, hasColour: boolean): string {
  return hasColour && level !== undefined ? `${WORDS[level].colour}${text}\x1b[0m` : text
}

function summary(results: readonly Result[]): string {
  const counts = count(results)
  const told = (['fail', 'warn', 'note', 'unknown', 'pass'] as const).map(
    (level) => `${counts[level]} ${WORDS[level].word}`,
  )
  return `${results.length} checks: ${told.join(', ')}`
}
