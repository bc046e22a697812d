import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Of the checkout. */
export const top = fileURLToPath(new URL('../..', import.meta.url))

const markdown = (directory: string) =>
  readdirSync(join(top, directory), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(directory, name))

/** Pages that a user reads: path in the checkout, and text. */
export const pages = ['README.md', 'CHANGELOG.md', ...markdown('docs'), ...markdown('examples')].map(
  (path) => ({
    path,
    text: readFileSync(join(top, path), 'utf8'),
  }),
)

/** A text without its code, which has neither links nor headings. */
export const prose = (text: string) =>
  text
    .replace(/^```[\s\S]*?^```$/gm, '')
    .replace(/^ {4}.*$/gm, '')
    .replace(/`[^`]*`/g, (code) => code.replace(/[[\]]/g, ' '))

/** Lines of code blocks, those that end in `\` joined with the next. */
export const codeLines = (text: string) =>
  [...text.replace(/ *\\\n */g, ' ').matchAll(/^ {4,}(.*)$/gm)].map(([, line = '']) => line)

/**
 * Anchors of a page's headings, as GitHub makes them: lower case, no punctuation, `-` for a blank, and a number for one that is
 * there already (github.com/gjtorikian/html-pipeline, table_of_contents_filter).
 */
export function anchors(text: string): Set<string> {
  const found = new Set<string>()
  for (const [, heading = ''] of text.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/^#{1,6} +(.*)$/gm)) {
    const slug = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .trim()
      .toLowerCase()
      .replace(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, '')
      .replaceAll(' ', '-')
    let unique = slug
    for (let n = 1; found.has(unique); n++) unique = `${slug}-${n}`
    found.add(unique)
  }
  return found
}

/** Headings of a page as they are written. */
export const headings = (text: string) =>
  [...text.matchAll(/^#{1,6} +(.*)$/gm)].map(([, heading = '']) => heading)

export const isThere = (path: string) => existsSync(join(top, path))
