/** Characters that make libvirt quote a word when it prints a command (virBufferEscapeShell, src/util/virbuffer.c). */
const NEEDS_QUOTES = /[\r\t\n !"#$&'()*;<>?[\\\]^`{|}~]/

/** Single-quotes a word for sh, whatever is in it. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`
}

/** Quotes a word only where libvirt would, so that the output reads like libvirt's golden files. */
export function quoteIfNeeded(word: string): string {
  return word === '' || NEEDS_QUOTES.test(word) ? quote(word) : word
}

/**
 * Splits text into words as sh does: blank, tab and newline, '…', "…", backslash. Nothing is expanded. A backslash before a
 * newline joins the lines without a space, within quotes too, as libvirt's golden files break long words.
 * @returns the words, or null when a quote is not closed
 */
export function splitWords(text: string): string[] | null {
  const words: string[] = []
  const input = text.replaceAll('\\\n', '')
  let word: string | null = null
  for (let at = 0; at < input.length; at++) {
    const char = input.charAt(at)
    if (char === "'") {
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

function closingDoubleQuote(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    if (text.charAt(at) === '\\') at++
    else if (text.charAt(at) === '"') return at
  }
  return -1
}
