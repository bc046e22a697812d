import { decodeBytes, encodeBytes } from './bytes.js'
import { keyvalPair, renderKeyval } from './keyval.js'

/** A section of a `-readconfig` file: `[group]` or `[group "id"]`, and the `key = "value"` lines below it. */
export interface Section {
  readonly group: string
  /** null without one. */
  readonly id: string | null
  /** Every key with its value, `id` among them, as the command line would have it: `id=net0,driver=e1000`. */
  readonly argument: string
  /** Number of the section's first line, counted from 1. */
  readonly lineNumber: number
}

/** Why a `-readconfig` file cannot be read, and in which line. */
export class MalformedReadConfig extends Error {
  readonly lineNumber: number

  constructor(message: string, lineNumber: number) {
    super(message)
    this.lineNumber = lineNumber
  }
}

/** More sections than any VM has devices. */
export const MAX_SECTIONS = 4096

/** Sizes of QEMU's buffers without the NUL: a line, a word, a value (util/qemu-config.c, qemu_config_foreach). */
const LINE_BYTES = 1023
const WORD_BYTES = 63
const VALUE_BYTES = 1023

/** What isspace(3) takes for blanks. */
const BLANK = '[ \\t\\n\\v\\f\\r]'
const WORD = `[^ \\t\\n\\v\\f\\r]{1,${WORD_BYTES}}`

/** sscanf(3) takes all that fits a word and never gives a character back, as `sticky` patterns one after the other do. */
const WITH_ID = [
  new RegExp(`\\[${BLANK}*(${WORD})`, 'y'),
  new RegExp(`${BLANK}*"([^"]{1,${WORD_BYTES}})`, 'y'),
] as const
const WITHOUT_ID = new RegExp(`\\[([^\\]]{1,${WORD_BYTES}})`, 'y')
const KEY = new RegExp(`${BLANK}*(${WORD})`, 'y')
const VALUE = new RegExp(`${BLANK}*=${BLANK}*"([^"]{1,${VALUE_BYTES}})`, 'y')

/**
 * Reads a `-readconfig` file as QEMU does (util/qemu-config.c, qemu_config_foreach; tried with QEMU 7.2, 10.0, 11.1):
 * `#` begins a comment in the first column alone; a key needs blanks before its `=`; a value ends at the next quote, and
 * nothing escapes one; what comes after it does not count; a key that is repeated has its last value. A line longer than
 * 1023 bytes goes on as a line of its own, a longer word is cut off.
 * @param text with bytes that are not UTF-8 as `decodeBytes` has them
 * @returns the sections in order, also of groups that no QEMU has
 * @throws {MalformedReadConfig} for what QEMU refuses, and for more than `MAX_SECTIONS` sections
 */
export function parseReadConfig(text: string): Section[] {
  const sections: OpenSection[] = []
  for (const [index, line] of linesOf(encodeBytes(text).toString('latin1')).entries()) {
    if (line.startsWith('\n') || line.startsWith('#')) continue
    const head = readHead(line)
    if (head === null) addValue(sections.at(-1), line, index + 1)
    else {
      sections.push({ ...head, lineNumber: index + 1 })
      if (sections.length > MAX_SECTIONS) {
        throw new MalformedReadConfig(`more than ${MAX_SECTIONS} sections`, index + 1)
      }
    }
  }
  return sections.map(({ group, values, lineNumber }) => ({
    group,
    id: values.get('id') ?? null,
    argument: renderKeyval([...values].map(([key, value]) => keyvalPair(key, value))),
    lineNumber,
  }))
}

interface OpenSection {
  readonly group: string
  readonly values: Map<string, string>
  readonly lineNumber: number
}

/** Lines as fgets(3) gives them, the newline kept, up to a NUL, at which sscanf(3) stops. */
function linesOf(bytes: string): string[] {
  const lines: string[] = []
  for (let at = 0; at < bytes.length; ) {
    const newline = bytes.indexOf('\n', at)
    const end = Math.min(newline < 0 ? bytes.length : newline + 1, at + LINE_BYTES)
    lines.push(bytes.slice(at, end).split('\0', 1)[0] ?? '')
    at = end
  }
  return lines
}

/** The beginning of a section; null for a line that is none. */
function readHead(line: string): Omit<OpenSection, 'lineNumber'> | null {
  const [withGroup, withId] = WITH_ID
  const group = match(withGroup, line, 0)
  const id = group === null ? null : match(withId, line, group.end)
  if (group !== null && id !== null) {
    return { group: group.text, values: new Map([['id', id.text]]) }
  }
  const alone = match(WITHOUT_ID, line, 0)
  return alone === null ? null : { group: alone.text, values: new Map() }
}

/** A word without a value has an empty one: QEMU takes whatever begins with a word for `key = ""`. */
function addValue(section: OpenSection | undefined, line: string, lineNumber: number): void {
  const key = match(KEY, line, 0)
  if (key === null) throw new MalformedReadConfig('a line of blanks', lineNumber)
  if (section === undefined) throw new MalformedReadConfig('a key before the first section', lineNumber)
  if (/[=,]/.test(key.text)) {
    throw new MalformedReadConfig(`'${key.text}' is not a key; write: key = "value"`, lineNumber)
  }
  section.values.set(key.text, match(VALUE, line, key.end)?.text ?? '')
}

function match(pattern: RegExp, line: string, at: number): { text: string; end: number } | null {
  pattern.lastIndex = at
  const found = pattern.exec(line)?.[1]
  return found === undefined
    ? null
    : { text: decodeBytes(Buffer.from(found, 'latin1')), end: pattern.lastIndex }
}
