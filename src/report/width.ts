import stringWidth from 'string-width'

/*
 * Columns of a terminal, as Unicode's tables have them (UAX #11). Texts are `printable`: string-width counts colours as
 * nothing. Cutting is our own, since cli-truncate 5.2 makes three columns of two: `機…`.
 */

/** How many columns of a terminal a printable text takes. */
export function displayWidth(text: string): number {
  return stringWidth(text)
}

/** Cuts a printable text that takes more than `width` columns, with `…` where it was cut. */
export function cut(text: string, width: number): string {
  if (displayWidth(text) <= width) return text
  let kept = ''
  let left = width - 1
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    left -= displayWidth(segment)
    if (left < 0) break
    kept += segment
  }
  return width < 1 ? '' : `${kept}…`
}

/** Fills a printable text with blanks at its end. */
export function padTo(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - displayWidth(text)))
}
