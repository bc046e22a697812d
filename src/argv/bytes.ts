import { readFileSync } from 'node:fs'

/**
 * Arguments are bytes; JavaScript strings are not. A byte that is not valid UTF-8 is kept as a lone low surrogate
 * (0x80 → U+DC80 … 0xFF → U+DCFF), as Python's `surrogateescape` does (PEP 383), so that every argument survives.
 */
const FIRST_ESCAPE = 0xdc00

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Bytes → text, without loss. */
export function decodeBytes(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    return decodePiecewise(bytes)
  }
}

function decodePiecewise(bytes: Uint8Array): string {
  const pieces: string[] = []
  for (let at = 0; at < bytes.length; ) {
    const start = at
    for (let length = sequenceLength(bytes, at); length > 0; length = sequenceLength(bytes, at)) at += length
    if (at > start) pieces.push(utf8.decode(bytes.subarray(start, at)))
    if (at < bytes.length) pieces.push(String.fromCharCode(FIRST_ESCAPE + (bytes[at] ?? 0)))
    at++
  }
  return pieces.join('')
}

/** What may follow a first byte: how many bytes, and from where to where the second is (Unicode 16.0, table 3-7). */
const SEQUENCES: readonly { first: number; last: number; more: number; from: number; to: number }[] = [
  { first: 0x00, last: 0x7f, more: 0, from: 0x80, to: 0xbf },
  { first: 0xc2, last: 0xdf, more: 1, from: 0x80, to: 0xbf },
  { first: 0xe0, last: 0xe0, more: 2, from: 0xa0, to: 0xbf },
  { first: 0xe1, last: 0xec, more: 2, from: 0x80, to: 0xbf },
  { first: 0xed, last: 0xed, more: 2, from: 0x80, to: 0x9f },
  { first: 0xee, last: 0xef, more: 2, from: 0x80, to: 0xbf },
  { first: 0xf0, last: 0xf0, more: 3, from: 0x90, to: 0xbf },
  { first: 0xf1, last: 0xf3, more: 3, from: 0x80, to: 0xbf },
  { first: 0xf4, last: 0xf4, more: 3, from: 0x80, to: 0x8f },
]

/** Length of the valid UTF-8 sequence at a place; 0 when there is none. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const byte = bytes[at]
  if (byte === undefined) return 0
  const kind = SEQUENCES.find(({ first, last }) => first <= byte && byte <= last)
  if (kind === undefined) return 0
  for (let place = 1; place <= kind.more; place++) {
    const next = bytes[at + place] ?? 0
    const [from, to] = place === 1 ? [kind.from, kind.to] : [0x80, 0xbf]
    if (next < from || next > to) return 0
  }
  return kind.more + 1
}

/** Text → the bytes it came from. */
export function encodeBytes(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text, 'utf8')
  const pieces = text.match(/[\udc80-\udcff]+|[^\udc80-\udcff]+/gsu) ?? []
  return Buffer.concat(
    pieces.map((piece) => {
      const code = piece.charCodeAt(0)
      const isEscaped = code >= 0xdc80 && code <= 0xdcff
      // The low byte of U+DC80 is 0x80.
      return isEscaped ? Buffer.from(piece, 'latin1') : Buffer.from(piece, 'utf8')
    }),
  )
}

/**
 * The last `count` arguments of this process, without loss. The runtime has replaced what is not UTF-8 by U+FFFD;
 * only then /proc/self/cmdline is read, which holds the bytes (proc(5)).
 * @param decoded the arguments as the runtime gives them
 */
export function losslessArguments(decoded: readonly string[]): string[] {
  if (!decoded.some((argument) => argument.includes('\ufffd'))) return [...decoded]
  const raw = readFileSync('/proc/self/cmdline')
  const all: string[] = []
  for (let start = 0; start < raw.length; ) {
    const end = raw.indexOf(0, start)
    all.push(decodeBytes(raw.subarray(start, end)))
    start = end + 1
  }
  return decoded.length === 0 ? [] : all.slice(-decoded.length)
}
