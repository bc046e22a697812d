import type { Level } from '../errors/finding.js'
import { printable } from '../units/printable.js'
import { GROUPS } from './check.js'
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
 * what to do. What several checks cannot know for one reason is said once, with their ids, after the groups. The summary is
 * last.
 */
export function checksText(results: readonly Result[], hasColour: boolean): string {
  const alike = unknownAlike(results)
  const lines = results.filter((result) => !alike.some(({ ids }) => ids.includes(result.id)))
  const width = Math.max(0, ...lines.map((result) => heading(result).length))
  const groups = GROUPS.flatMap((group) => {
    const own = lines.filter((result) => result.group === group)
    return own.length === 0 ? [] : [own.map((result) => line(result, width, hasColour)).join('')]
  })
  const together = alike.map((one) => `${paragraph(one, hasColour)}\n`)
  return `${[...groups, ...together].join('\n')}\n${summary(results)}\n`
}

/** Checks that do not know for the same reason. */
interface Alike {
  readonly reason: string
  readonly ids: readonly string[]
}

/** As many as are told together. */
const MANY = 3

function unknownAlike(results: readonly Result[]): Alike[] {
  const unknown = results.filter(({ level }) => level === 'unknown')
  return [...new Set(unknown.map(({ what }) => what))]
    .map((reason) => ({ reason, ids: unknown.filter(({ what }) => what === reason).map(({ id }) => id) }))
    .filter(({ ids }) => ids.length >= MANY)
}

const WIDTH = 100

function paragraph({ reason, ids }: Alike, hasColour: boolean): string {
  const lines: string[] = []
  for (const id of ids) {
    const last = lines.at(-1)
    if (last === undefined || last.length + id.length + 1 > WIDTH) lines.push(`  ${id}`)
    else lines[lines.length - 1] = `${last} ${id}`
  }
  const word = paint({ text: WORDS.unknown.word, level: 'unknown' }, hasColour)
  return [`${ids.length} checks : ${word} (${printable(reason)})`, ...lines].join('\n')
}

function heading({ id, look }: Result): string {
  return `${id}: Checking ${look}`
}

function line(result: Result, width: number, hasColour: boolean): string {
  const { level, applies, what, todo } = result
  const details = [level === 'pass' && applies ? '' : what, todo ?? '']
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
