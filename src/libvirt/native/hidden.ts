import { isPrintable } from '../../units/printable.js'

/** CDATA, a comment, a processing instruction, a tag, or text: of a document that is well-formed. */
const PIECES = /<!\[CDATA\[.*?\]\]>|<!--.*?-->|<\?.*?\?>|<[^"'>]*(?:"[^"]*"[^"'>]*|'[^']*'[^"'>]*)*>|[^<]+/gs

/** Values of a tag; and what may stand between them here: a newline of old, and what XML has not, but the parser takes for a blank. */
const VALUES = /"[^"]*"|'[^']*'|\r(?!\n)|[\u2028\u2029]/g

/** A carriage return before a newline is half of a line's end, and does nothing more on a terminal. */
const CANDIDATES = /\r(?!\n)|[^\t\n\r -~]/gu

/**
 * Writes what a terminal would obey or not show as numeric character references. The document means the same to every
 * XML parser: in text and attribute values a reference is the character, and CDATA, which has no references, is closed
 * before it and opened again after it. A carriage return by itself becomes the newline that a parser reads it as (XML 1.0,
 * 2.11).
 *
 * A comment or processing instruction has no references either: there the text of one stands in the character's place, so
 * that one can read what was there; libvirt drops both. A name stays as it is: of these characters XML allows in names only
 * some that are merely not seen, such as U+200D. So does a byte order mark, which is not part of the document.
 * @param xml well-formed
 */
export function writeHidden(xml: string): string {
  const start = xml.startsWith('\ufeff') ? 1 : 0
  return xml.slice(0, start) + xml.slice(start).replace(PIECES, writePiece)
}

function writePiece(piece: string): string {
  if (piece.startsWith('<![CDATA[')) return references(piece, (one) => `]]>${one}<![CDATA[`)
  if (/^<[^!?]/.test(piece))
    return piece
      .replace(/^(<\/?)[\u2028\u2029]+/, '$1')
      .replace(VALUES, (part) => (/^[\u2028\u2029]/.test(part) ? ' ' : references(part, (one) => one)))
  return references(piece, (one) => one)
}

function references(text: string, inPlace: (reference: string) => string): string {
  return text.replace(CANDIDATES, (char) => {
    if (char === '\r') return '\n'
    return isPrintable(char) ? char : inPlace(`&#x${char.codePointAt(0)?.toString(16)};`)
  })
}
