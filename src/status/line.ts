/** How a status is drawn. */
export interface TextOptions {
  /** Columns; infinite when nothing is to be cut. */
  readonly width: number
  /** What stands over a drawing that is one of many: then switches since the one before are shown. */
  readonly heading: string | null
}

/** A line of text, and how it looks where there is colour; it says the same without. */
export interface Line {
  readonly text: string
  readonly style: Style
}

type Style = 'plain' | 'title' | 'alarm'

export function plain(text: string): Line {
  return { text, style: 'plain' }
}

export function title(text: string): Line {
  return { text, style: 'title' }
}

/** For what is to be seen first. Its text has a mark that says so without colour. */
export function alarm(text: string): Line {
  return { text, style: 'alarm' }
}

/** Select Graphic Rendition (ECMA-48 8.3.117): bold, and bold red. */
const SGR: Readonly<Record<Style, string>> = { plain: '', title: '\x1b[1m', alarm: '\x1b[1;31m' }

/** The characters to write for a line, without a newline. */
export function paint({ text, style }: Line, hasColour: boolean): string {
  return hasColour && style !== 'plain' && text !== '' ? `${SGR[style]}${text}\x1b[0m` : text
}
