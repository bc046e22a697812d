/**
 * Text from outside (names of guests, threads, interfaces and files, what programs say) for people. A terminal obeys
 * control characters, whoever wrote them; a log and a comment in sh end at a newline; and what is not seen, or turns the
 * direction of writing, makes a text read as another.
 */

/** Most texts; told apart without Unicode's tables, which a launch would wait for. */
const PLAIN = /^[ -~]*$/

/**
 * Unicode's "other" (C0, C1, DEL; formats such as bidi controls and zero-width characters; lone surrogates, which also
 * stand for bytes that are not UTF-8; private and unassigned code points), line and paragraph separators, and what is not
 * shown by default, such as fillers and variation selectors (UAX #44, Default_Ignorable_Code_Point).
 */
const HIDDEN = '\\p{C}\\p{Zl}\\p{Zp}\\p{Default_Ignorable_Code_Point}'

let hidden: RegExp | undefined

function hiddenCharacters(): RegExp {
  hidden ??= new RegExp(`[${HIDDEN}]`, 'gu')
  hidden.lastIndex = 0
  return hidden
}

/** Whether all of a text can be seen, in one line. */
export function isPrintable(text: string): boolean {
  return PLAIN.test(text) || !hiddenCharacters().test(text)
}

/**
 * Makes a text from outside fit for screens, error lines, logs and comments in sh: one line, in which a control character
 * is written as `\x1b` and what else cannot be seen as `\u{202e}`. What can be seen stays, a backslash too; so a text
 * stays as it is when it is made fit twice.
 */
export function printable(text: string): string {
  return isPrintable(text) ? text : text.replace(hiddenCharacters(), escapeCharacter)
}

function escapeCharacter(char: string): string {
  const code = char.codePointAt(0) ?? 0
  const hex = code.toString(16)
  return code < 0x20 || code === 0x7f ? `\\x${hex.padStart(2, '0')}` : `\\u{${hex}}`
}

/** Characters of a message: some screens. The longest that is not made to be long names some hundred devices. */
const LONGEST_MESSAGE = 8192
/** Of a longer one its beginning says what is wrong, and its end what to do about it. */
const MESSAGE_END = 1024

/**
 * A message for people: what a domain's owner wrote into it may be megabytes, and libvirt, journald and root's record would keep them.
 * @returns one line of at most LONGEST_MESSAGE characters before hidden ones are escaped; what is left out is said
 */
export function printableMessage(message: string): string {
  if (message.length <= LONGEST_MESSAGE) return printable(message)
  const start = message.slice(0, LONGEST_MESSAGE - MESSAGE_END - 64)
  const end = message.slice(-MESSAGE_END)
  const left = message.length - start.length - end.length
  return printable(`${start} [… ${left} characters left out …] ${end}`)
}

/** A message as this program says it on stderr and in logs: one line, by its name. */
export function ownLine(message: string): string {
  return `qemu-rt: ${printableMessage(message)}\n`
}

/** `printable` for each line of a text whose newlines are its own and not of a name in it. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n')
}

/**
 * Writes JSON in which nothing hides: JSON itself escapes C0 and lone surrogates alone. Parsed, it is the same value.
 * @param indent blanks by level; 0 for one line
 */
export function printableJson(value: unknown, indent: number): string {
  return JSON.stringify(value, null, indent).replace(hiddenCharacters(), (char) =>
    char === '\n' ? char : char.split('').map(jsonEscape).join(''),
  )
}

function jsonEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** A key as TOML wants it: `line0`, `"field bus"`. */
export function tomlKey(key: string): string {
  return /^[\w-]+$/.test(key) ? key : JSON.stringify(key)
}
