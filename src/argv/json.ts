/** A value in a JSON object: its kind, and its text (a string unescaped, anything else as it stands). */
interface JsonValue {
  readonly kind: 'string' | 'number' | 'boolean' | 'null' | 'nested'
  readonly text: string
}

/** A member of a JSON object, with the places of its key and value in the text. */
export interface JsonMember {
  readonly key: string
  readonly keyStart: number
  readonly keyEnd: number
  readonly valueStart: number
  readonly valueEnd: number
  readonly value: JsonValue
}

export interface JsonObject {
  readonly members: readonly JsonMember[]
  /** Place of the closing brace. */
  readonly end: number
}

/** Says what is wrong and at which character. */
export class JsonSyntaxError extends Error {}

interface Cursor {
  readonly text: string
  at: number
}

/** QEMU refuses deeper nesting (qobject/json-streamer.c, MAX_NESTING); this also bounds the recursion. */
export const MAX_NESTING = 1024

/**
 * Reads a JSON object in QEMU's dialect, keeping places so that an edit can leave the rest as it stands: RFC 8259,
 * and strings in single quotes too (QEMU: qobject/json-lexer.c). Numbers stay text, for sizes above 2^53.
 * @throws {JsonSyntaxError} when the text is not one JSON object
 */
export function parseJsonObject(text: string): JsonObject {
  const cursor = { text, at: 0 }
  const object = readObject(cursor, 1)
  skipSpace(cursor)
  if (cursor.at < text.length) fail(cursor, 'there is text after the object')
  return object
}

function readObject(cursor: Cursor, depth: number): JsonObject {
  const members: JsonMember[] = []
  expect(cursor, '{')
  while (!closes(cursor, '}', members.length > 0)) {
    const keyStart = cursor.at
    const key = readString(cursor)
    const keyEnd = cursor.at
    expect(cursor, ':')
    skipSpace(cursor)
    const valueStart = cursor.at
    const value = readValue(cursor, depth)
    members.push({ key, keyStart, keyEnd, valueStart, valueEnd: cursor.at, value })
  }
  return { members, end: cursor.at - 1 }
}

function readArray(cursor: Cursor, depth: number): void {
  expect(cursor, '[')
  for (let first = true; !closes(cursor, ']', !first); first = false) readValue(cursor, depth)
}

function readValue(cursor: Cursor, depth: number): JsonValue {
  const start = cursor.at
  const char = cursor.text.charAt(start)
  if (char === '"' || char === "'") return { kind: 'string', text: readString(cursor) }
  if (char === '{' || char === '[') {
    if (depth >= MAX_NESTING) fail(cursor, 'nested too deeply')
    if (char === '{') readObject(cursor, depth + 1)
    else readArray(cursor, depth + 1)
    return { kind: 'nested', text: cursor.text.slice(start, cursor.at) }
  }
  const [text = ''] = match(cursor, /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y)
  if (text === '') fail(cursor, 'a value is missing')
  return { kind: text === 'null' ? 'null' : /^[tf]/.test(text) ? 'boolean' : 'number', text }
}

function readString(cursor: Cursor): string {
  const start = cursor.at
  const [quoted = ''] = match(cursor, /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/sy)
  if (quoted === '') fail(cursor, 'a closed string is missing')
  const body = quoted.slice(1, -1)
  if (!body.includes('\\')) return body
  try {
    const standard = body.replace(/\\.|"/gs, (part) => (part === "\\'" ? "'" : part === '"' ? '\\"' : part))
    return JSON.parse(`"${standard}"`) as string
  } catch {
    cursor.at = start
    return fail(cursor, 'a string has a bad escape')
  }
}

/** Steps over the closing bracket, or over the comma before a further member. */
function closes(cursor: Cursor, bracket: '}' | ']', needsComma: boolean): boolean {
  skipSpace(cursor)
  if (cursor.text.charAt(cursor.at) === bracket) {
    cursor.at++
    return true
  }
  if (needsComma) {
    if (cursor.text.charAt(cursor.at) !== ',') fail(cursor, `',' or '${bracket}' is missing`)
    cursor.at++
    skipSpace(cursor)
  }
  return false
}

function expect(cursor: Cursor, char: string): void {
  skipSpace(cursor)
  if (cursor.text.charAt(cursor.at) !== char) fail(cursor, `'${char}' is missing`)
  cursor.at++
}

function skipSpace(cursor: Cursor): void {
  match(cursor, /[ \t\r\n]*/y)
}

function match(cursor: Cursor, sticky: RegExp): readonly string[] {
  sticky.lastIndex = cursor.at
  const found = sticky.exec(cursor.text) ?? []
  cursor.at += found[0]?.length ?? 0
  return found
}

function fail(cursor: Cursor, problem: string): never {
  throw new JsonSyntaxError(`${problem} at character ${cursor.at + 1}`)
}
