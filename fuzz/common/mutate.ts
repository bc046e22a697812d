import type { Random } from './random.js'

/** Longer texts are cut: what grows without end is tested in test/bounds. */
const LONGEST = 40_000

/** What breaks parsers. A lone surrogate from U+DC80 to U+DCFF is a byte that is no UTF-8 (src/argv/bytes.ts). */
const STRANGE = [
  ...['', '\0', '\n', '\r\n', '\t', '\x1b[2J', '\x7f', '\x9b31m', '\u202e', '\u2028', '\ufeff', '\ufffd'],
  ...[
    '\udc80',
    '\udcff\udcc3',
    '\ud800',
    '😀',
    'ä',
    "'",
    '"',
    '`',
    '$(id)',
    '\\',
    '\\u0000',
    '\\x',
    ';',
    '#',
  ],
  ...[
    ',',
    ',,',
    '=',
    ',=',
    ':',
    '::',
    '/',
    '//',
    '..',
    '../',
    '-',
    '--',
    '^',
    '!',
    '*',
    '?',
    '[',
    ']',
    '{',
    '}',
  ],
  ...[
    '<',
    '>',
    '&',
    '&amp;',
    '&#x0;',
    '&#1114112;',
    '<![CDATA[',
    ']]>',
    '<!--',
    '<!DOCTYPE a>',
    '<?x?>',
    '%',
  ],
  ...['0', '-0', '-1', '00', '1e9', '1e999', '0x', '0xffffffffffffffffff', 'NaN', 'Infinity', '4294967296'],
  ...[
    '9007199254740993',
    '18446744073709551616',
    '99999999999999999999',
    '8191',
    '8192',
    '0-8191',
    '0-999999',
  ],
  ...[
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    'null',
    'true',
    'on',
    'off',
    '[]',
    '{}',
    '" "',
  ],
]

const NESTING: readonly (readonly [string, string])[] = [
  ['[', ']'],
  ['{"a":', '}'],
  ['{a=', '}'],
  ['<a>', '</a>'],
  ['(', ')'],
  ['@(', ')'],
  ['a.', ''],
  ["'", "'"],
]

type Mutator = (random: Random, text: string, others: readonly string[]) => string

const MUTATORS: readonly Mutator[] = [
  // A character becomes another one, at times one that differs by a bit.
  (random, text) => {
    const at = random.below(text.length)
    const code = text.charCodeAt(at) || 0
    const other = random.once(2) ? code ^ (1 << random.below(8)) : random.below(256)
    return text.slice(0, at) + String.fromCharCode(other) + text.slice(at + 1)
  },
  (random, text) => insert(random, text, random.pick(STRANGE)),
  (random, text) => insert(random, text, random.pick(STRANGE)),
  (random, text) => {
    const [from, to] = piece(random, text)
    return text.slice(0, from) + text.slice(to)
  },
  (random, text) => text.slice(0, random.below(text.length + 1)),
  (random, text) => {
    const [from, to] = piece(random, text)
    const times = random.pick([1, 1, 2, 5, 50, 500])
    return text.slice(0, to) + text.slice(from, to).repeat(times) + text.slice(to)
  },
  // Of another text of the same kind.
  (random, text, others) => {
    const other = random.pick(others)
    const [from, to] = piece(random, other)
    return insert(random, text, other.slice(from, to))
  },
  (random, text, others) => {
    const other = random.pick(others)
    return text.slice(0, random.below(text.length + 1)) + other.slice(random.below(other.length + 1))
  },
  (random, text) => {
    const [open, close] = random.pick(NESTING)
    const times = random.pick([1, 2, 5, 20, 300, 1100])
    const [from, to] = piece(random, text)
    return (
      text.slice(0, from) + open.repeat(times) + text.slice(from, to) + close.repeat(times) + text.slice(to)
    )
  },
  // A number becomes another.
  (random, text) => {
    const numbers = [...text.matchAll(/\d+/g)]
    if (numbers.length === 0) return text
    const { 0: number, index } = random.pick(numbers)
    const other = random.once(3) ? random.pick(STRANGE) : String(Number(number) + random.below(5) - 2)
    return text.slice(0, index) + other + text.slice(index + number.length)
  },
]

/** Changes a text in one to five ways. @param others of the same kind, to take pieces of */
export function mutate(random: Random, text: string, others: readonly string[]): string {
  let now = text
  for (let times = 1 + random.below(5); times > 0; times--) {
    now = random.pick(MUTATORS)(random, now, others).slice(0, LONGEST)
  }
  return now
}

/** Changes a list of texts: some of them, or which there are. */
export function mutateList(
  random: Random,
  texts: readonly string[],
  others: readonly (readonly string[])[],
): string[] {
  const pool = texts.length === 0 ? [''] : texts
  let now = [...texts]
  for (let times = 1 + random.below(4); times > 0; times--) {
    const at = random.below(now.length + 1)
    const how = random.below(6)
    const other = random.pick(others)
    const from = random.below(other.length + 1)
    if (how === 0) now.splice(at, 1)
    else if (how === 1) now.splice(at, 0, ...other.slice(from, from + 1 + random.below(4)))
    else if (how === 2) now = [...now.slice(0, at), ...other.slice(from)]
    else if (how === 3 && random.once(20)) now.splice(at, 0, ...Array(300).fill(now[at] ?? ''))
    else if (now[at] !== undefined)
      now[at] = mutate(random, now[at], random.once(2) ? pool : other.length > 0 ? other : pool)
  }
  return now
}

function insert(random: Random, text: string, what: string): string {
  const at = random.below(text.length + 1)
  return text.slice(0, at) + what + text.slice(at)
}

function piece(random: Random, text: string): [number, number] {
  const from = random.below(text.length + 1)
  const length = random.pick([1, 2, 5, 20, 100])
  return [from, Math.min(text.length, from + length)]
}
