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
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at)
    text +=
      length === 0
        ? String.fromCharCode(FIRST_ESCAPE + (bytes[at] ?? 0))
        : utf8.decode(bytes.subarray(at, at + length))
    at += Math.max(length, 1)
  }
  return text
}

/** Length of the valid UTF-8 sequence at a place; 0 when there is none. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  for (let length = 1; length <= 4 && at + length <= bytes.length; length++) {
    try {
      utf8.decode(bytes.subarray(at, at + length))
      return length
    } catch {
      // Not complete yet, or not valid at all: a longer piece decides.
    }
  }
  return 0
}

/** Text → the bytes it came from. */
export function encodeBytes(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text, 'utf8')
  const pieces = text.match(/[\udc80-\udcff]|[^\udc80-\udcff]+|./gsu) ?? []
  return Buffer.concat(
    pieces.map((piece) => {
      const code = piece.charCodeAt(0)
      const escaped = piece.length === 1 && code >= 0xdc80 && code <= 0xdcff
      return escaped ? Buffer.from([code - FIRST_ESCAPE]) : Buffer.from(piece, 'utf8')
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
