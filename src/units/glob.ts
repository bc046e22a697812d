/*
 * Globs as bash has them (bash(1), "Pattern Matching"), with braces. The pattern is root's, the text is not: it is
 * matched by following all ways through the pattern at once, in a time that grows with the product of both lengths.
 * A regular expression, which is what libraries make of a glob, takes years for `*a*a*a*a*b` and a text that somebody chose.
 */

/** A part of a pattern. */
type Piece =
  | { readonly kind: 'one'; readonly test: (char: string) => boolean }
  | { readonly kind: 'any' }
  | { readonly kind: 'group'; readonly repeat: Repeat; readonly alternatives: readonly (readonly Piece[])[] }

/** How often a group stands in the text: once, `?` at most once, `*` or `+` again and again; `!` is anything else. */
type Repeat = '@' | '?' | '*' | '+' | '!'

/** Groups in groups beyond this stand for themselves. */
const MAX_DEPTH = 16

/** `!(…)` has to be tried at each place by itself; longer texts are matched by no pattern with one. */
const MAX_LENGTH_WITH_NOT = 1024

/**
 * Whether a whole text matches a glob: `*`, `?`, `[…]`, `{a,b}`, `{1..9}`, `@(a|b)` and `?( *( +( !(`; a `!` before all
 * else turns it round. A star matches slashes too: names of domains and disks are not paths. What is not closed stands
 * for itself, and so do parentheses with none of these signs before them.
 */
export function matchesGlob(text: string, glob: string): boolean {
  if (text === '' || glob === '') return text === glob || glob === '*'
  const pattern = Array.from(glob)
  let start = 0
  while (pattern[start] === '!' && pattern[start + 1] !== '(') start++
  const pieces = parsePieces(
    { pattern, groups: findGroups(pattern, start) },
    { from: start, to: pattern.length },
    0,
  )
  const chars = Array.from(text)
  const matches = !isTooLong(pieces, chars) && follow(pieces, chars, [0]).at(-1) === chars.length
  return matches === (start % 2 === 0)
}

/** Whether an entry of the configuration is for what has a value: one without a glob, or with `*`, is for all. */
export function selects(glob: string | null, value: string | null): boolean {
  // For what has no value, too.
  if (glob === null || glob === '*') return true
  return value !== null && matchesGlob(value, glob)
}

function isTooLong(pieces: readonly Piece[], chars: readonly string[]): boolean {
  const hasNot = (part: readonly Piece[]): boolean =>
    part.some((piece) => piece.kind === 'group' && (piece.repeat === '!' || piece.alternatives.some(hasNot)))
  return chars.length > MAX_LENGTH_WITH_NOT && hasNot(pieces)
}

/** Where the text can be after a part of the pattern, ascending, when it can be at these places before. */
function follow(pieces: readonly Piece[], chars: readonly string[], places: readonly number[]): number[] {
  let now = [...places]
  for (const piece of pieces) {
    if (now.length === 0) break
    now = step(piece, chars, now)
  }
  return now
}

function step(piece: Piece, chars: readonly string[], places: number[]): number[] {
  switch (piece.kind) {
    case 'one':
      return places
        .filter((place) => place < chars.length && piece.test(chars[place] ?? ''))
        .map((place) => place + 1)
    case 'any': {
      const first = places[0] ?? 0
      return Array.from({ length: chars.length + 1 - first }, (_, index) => first + index)
    }
    case 'group': {
      const once = (from: readonly number[]) =>
        piece.alternatives.flatMap((alternative) => follow(alternative, chars, from))
      return sorted(GROUPS[piece.repeat](once, places, chars.length))
    }
  }
}

type Once = (from: readonly number[]) => number[]

const GROUPS: Readonly<Record<Repeat, (once: Once, places: number[], end: number) => Iterable<number>>> = {
  '@': (once, places) => once(places),
  '?': (once, places) => [...places, ...once(places)],
  '+': (once, places) => again(once, once(places)),
  '*': (once, places) => again(once, places),
  '!': (once, places, end) =>
    places.flatMap((place) => {
      const not = new Set(once([place]))
      return Array.from({ length: end + 1 - place }, (_, index) => place + index).filter(
        (after) => !not.has(after),
      )
    }),
}

/** These places, and all that are reached from there by any number of rounds. */
function again(once: Once, places: readonly number[]): Set<number> {
  const reached = new Set(places)
  for (let fresh = [...reached]; fresh.length > 0; ) {
    fresh = [...new Set(once(sorted(fresh)))].filter((place) => !reached.has(place))
    for (const place of fresh) reached.add(place)
  }
  return reached
}

function sorted(places: Iterable<number>): number[] {
  return [...new Set(places)].sort((a, b) => a - b)
}

/** Where a group ends, and where its alternatives are parted. */
interface Group {
  readonly end: number
  readonly cuts: readonly number[]
}

interface Source {
  readonly pattern: readonly string[]
  /** By the place of `(` and `{`. */
  readonly groups: ReadonlyMap<number, Group>
}

const REPEATS = ['@', '?', '*', '+', '!'] as const
const CLOSING: Readonly<Record<string, string>> = { '(': ')', '{': '}' }
const CUT: Readonly<Record<string, string>> = { '(': '|', '{': ',' }

/** Pairs up brackets in one go. */
function findGroups(pattern: readonly string[], from: number): Map<number, Group> {
  const groups = new Map<number, Group>()
  const open: { readonly at: number; readonly char: string; readonly cuts: number[] }[] = []
  const opens = (char: string, before: string) =>
    char === '{' || (char === '(' && REPEATS.some((repeat) => repeat === before))
  // What is escaped, or in a set, is no sign before a parenthesis.
  let before = ''
  for (let at = from; at < pattern.length; at++) {
    const char = pattern[at] ?? ''
    const top = open.at(-1)
    const isPlain = char !== '\\' && char !== '['
    if (char === '\\') at++
    else if (char === '[') at = endOfSet(pattern, at) ?? at
    else if (opens(char, before)) open.push({ at, char, cuts: [] })
    else if (top !== undefined && char === CUT[top.char]) top.cuts.push(at)
    else if (top !== undefined && char === CLOSING[top.char]) {
      groups.set(top.at, { end: at, cuts: top.cuts })
      open.pop()
    }
    before = isPlain ? char : ''
  }
  return groups
}

function parsePieces(
  source: Source,
  { from, to }: { readonly from: number; readonly to: number },
  depth: number,
): Piece[] {
  const { pattern, groups } = source
  const pieces: Piece[] = []
  for (let at = from; at < to; at++) {
    const char = pattern[at] ?? ''
    const repeat = REPEATS.find((one) => one === char && pattern[at + 1] === '(')
    const opening = repeat === undefined ? at : at + 1
    const group = depth < MAX_DEPTH ? groups.get(opening) : undefined
    const alternatives = group === undefined ? null : alternativesOf(source, opening, group, depth)
    const setEnd = char === '[' ? endOfSet(pattern, at) : null
    if (group !== undefined && alternatives !== null) {
      pieces.push({ kind: 'group', repeat: repeat ?? '@', alternatives })
      at = group.end
    } else if (setEnd !== null) {
      pieces.push({ kind: 'one', test: parseSet(pattern.slice(at + 1, setEnd)) })
      at = setEnd
    } else if (char === '*') {
      if (pieces.at(-1)?.kind !== 'any') pieces.push({ kind: 'any' })
    } else if (char === '?') pieces.push({ kind: 'one', test: () => true })
    else {
      if (char === '\\' && at + 1 < to) at++
      pieces.push(literal(pattern[at] ?? ''))
    }
  }
  return pieces
}

function literal(wanted: string): Piece {
  return { kind: 'one', test: (char) => char === wanted }
}

/** Null for braces without a comma or a range, which stand for themselves. */
function alternativesOf(
  source: Source,
  opening: number,
  { end, cuts }: Group,
  depth: number,
): Piece[][] | null {
  if (source.pattern[opening] === '{' && cuts.length === 0) {
    return parseSeries(source.pattern.slice(opening + 1, end).join(''))
  }
  const edges = [opening, ...cuts, end]
  return edges
    .slice(1)
    .map((to, index) => parsePieces(source, { from: (edges[index] ?? 0) + 1, to }, depth + 1))
}

/** What a series of braces has at most. */
const MAX_SERIES = 1000

/** `1..9`, `a..f`. */
function parseSeries(text: string): Piece[][] | null {
  const [, from, to] = /^(\d{1,6})\.\.(\d{1,6})$/.exec(text) ?? /^([a-z])\.\.([a-z])$/i.exec(text) ?? []
  if (from === undefined || to === undefined) return null
  const isNumber = /\d/.test(from)
  const [a, b] = isNumber ? [Number(from), Number(to)] : [from.charCodeAt(0), to.charCodeAt(0)]
  const length = Math.abs(a - b) + 1
  if (length > MAX_SERIES) return null
  return Array.from({ length }, (_, index) => {
    const value = Math.min(a, b) + index
    return Array.from(isNumber ? String(value) : String.fromCharCode(value), literal)
  })
}

/** The place of the `]` that ends a set; null when there is none. A `]` that comes first is one of the set. */
function endOfSet(pattern: readonly string[], start: number): number | null {
  let at = start + 1
  if (pattern[at] === '!' || pattern[at] === '^') at++
  if (pattern[at] === ']') at++
  for (; at < pattern.length; at++) {
    if (pattern[at] === ']') return at
    if (pattern[at] === '\\') at++
    else if (pattern[at] === '[' && pattern[at + 1] === ':') at = endOfClass(pattern, at) ?? at
  }
  return null
}

/** The place of the `]` of `[:alpha:]`; no name of a class is longer than these. */
function endOfClass(pattern: readonly string[], start: number): number | null {
  const name = pattern.slice(start, start + 12).join('')
  const length = /^\[:[a-z]+:\]/.exec(name)?.[0].length
  return length === undefined ? null : start + length - 1
}

const CLASSES: Readonly<Record<string, RegExp>> = {
  alnum: /^[\p{L}\p{Nd}]$/u,
  alpha: /^\p{L}$/u,
  blank: /^[ \t]$/,
  cntrl: /^\p{Cc}$/u,
  digit: /^[0-9]$/,
  graph: /^[^\p{C}\p{Z}]$/u,
  lower: /^\p{Ll}$/u,
  print: /^[^\p{C}]$/u,
  punct: /^[\p{P}\p{S}]$/u,
  space: /^\s$/,
  upper: /^\p{Lu}$/u,
  xdigit: /^[0-9a-f]$/i,
}

/** @param body what stands between the brackets */
function parseSet(body: readonly string[]): (char: string) => boolean {
  const isNot = body[0] === '!' || body[0] === '^'
  const tests: ((char: string) => boolean)[] = []
  for (let at = isNot ? 1 : 0; at < body.length; at++) {
    const end = body[at] === '[' && body[at + 1] === ':' ? endOfClass(body, at) : null
    if (end !== null) {
      const named = CLASSES[body.slice(at + 2, end - 1).join('')]
      tests.push((char) => named?.test(char) === true)
      at = end
      continue
    }
    if (body[at] === '\\' && at + 1 < body.length) at++
    const first = body[at] ?? ''
    const last = body[at + 1] === '-' ? body[at + 2] : undefined
    if (last === undefined) tests.push((char) => char === first)
    else {
      tests.push((char) => codeOf(first) <= codeOf(char) && codeOf(char) <= codeOf(last))
      at += 2
    }
  }
  return (char) => tests.some((test) => test(char)) !== isNot
}

function codeOf(char: string): number {
  return char.codePointAt(0) ?? 0
}
