import { isPrintable } from '../units/printable.js'
import { decodeBytes, encodeBytes } from './bytes.js'

/** Characters that make libvirt quote a word when it prints a command (virBufferEscapeShell, src/util/virbuffer.c). */
const NEEDS_QUOTES = /[\r\t\n !"#$&'()*;<>?[\\\]^`{|}~]/

/** Single-quotes a word for sh, whatever is in it. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`
}

/**
 * Quotes a word for a command that people read, only where libvirt would, so that the output reads like libvirt's golden
 * files. A word with what a terminal obeys or does not show is in `$'…'` (POSIX.1-2024, 2.2.4; bash, zsh, ksh, busybox):
 * each of its bytes is then visible ASCII. A shell that does not know `$'…'`, as dash 0.5, reads another word, and runs
 * nothing of it.
 */
export function quoteIfNeeded(word: string): string {
  if (!isPrintable(word)) return quoteBytes(word)
  return word === '' || NEEDS_QUOTES.test(word) ? quote(word) : word
}

/** By three octal digits each, after which no digit can be taken for a fourth; quote and backslash, too. */
function quoteBytes(word: string): string {
  const escaped = Array.from(encodeBytes(word), (byte) =>
    byte < 0x20 || byte > 0x7e || byte === 0x27 || byte === 0x5c
      ? `\\${byte.toString(8).padStart(3, '0')}`
      : String.fromCharCode(byte),
  )
  return `$'${escaped.join('')}'`
}

/**
 * Splits text into words as sh does: blank, tab and newline, '…', "…", backslash, and of `$'…'` octal bytes. Nothing is
 * expanded. A backslash before a newline joins the lines without a space, within quotes too, as libvirt's golden files
 * break long words.
 * @returns the words, or null when a quote is not closed
 */
export function splitWords(text: string): string[] | null {
  const words: string[] = []
  const input = text.replaceAll('\\\n', '')
  let word: string | null = null
  for (let at = 0; at < input.length; at++) {
    const char = input.charAt(at)
    if (char === '$' && input.charAt(at + 1) === "'") {
      const end = input.indexOf("'", at + 2)
      if (end < 0) return null
      word = (word ?? '') + unescapeBytes(input.slice(at + 2, end))
      at = end
    } else if (char === "'") {
      const end = input.indexOf("'", at + 1)
      if (end < 0) return null
      word = (word ?? '') + input.slice(at + 1, end)
      at = end
    } else if (char === '"') {
      const end = closingDoubleQuote(input, at + 1)
      if (end < 0) return null
      word = (word ?? '') + input.slice(at + 1, end).replace(/\\(["\\$`])/g, '$1')
      at = end
    } else if (char === '\\') {
      at++
      word = (word ?? '') + input.charAt(at)
    } else if (/[ \t\n]/.test(char)) {
      if (word !== null) words.push(word)
      word = null
    } else {
      word = (word ?? '') + char
    }
  }
  if (word !== null) words.push(word)
  return words
}

/** The inside of `$'…'` as `quoteBytes` writes it. */
function unescapeBytes(text: string): string {
  const pieces = text.match(/\\[0-3][0-7]{2}|[^\\]+|\\/g) ?? []
  return decodeBytes(
    Buffer.concat(
      pieces.map((piece) =>
        piece.length === 4 && piece.startsWith('\\')
          ? Buffer.of(Number.parseInt(piece.slice(1), 8))
          : encodeBytes(piece),
      ),
    ),
  )
}

function closingDoubleQuote(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    if (text.charAt(at) === '\\') at++
    else if (text.charAt(at) === '"') return at
  }
  return -1
}
