/** How many columns of a terminal a text takes. */
export function displayWidth(text: string): number {
  let width = 0
  for (const char of text) width += charWidth(char)
  return width
}

/** Unicode's East Asian Width (UAX #11), as far as its scripts and blocks tell; marks sit on the character before. */
const WIDE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303e\uff01-\uff60\uffe0-\uffe6]/u

function charWidth(char: string): number {
  if (char < '\u0300') return 1
  if (/\p{M}/u.test(char)) return 0
  return WIDE.test(char) ? 2 : 1
}

/** Cuts a text that takes more than `width` columns, with `…` where it was cut. */
export function cut(text: string, width: number): string {
  if (displayWidth(text) <= width) return text
  let kept = ''
  let left = width - 1
  for (const char of text) {
    left -= charWidth(char)
    if (left < 0) break
    kept += char
  }
  return width < 1 ? '' : `${kept}…`
}
