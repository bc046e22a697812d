import { childrenOf, type XmlElement } from '../xml.js'

/** A change of a text: what lies between two offsets becomes another text. */
export interface TextEdit {
  readonly start: number
  readonly end: number
  readonly text: string
}

/** An element that a document is to have. */
export interface WantedElement {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children?: readonly WantedElement[]
  /** Attributes that tell it from its siblings of the same name; without any there is one of them. */
  readonly key?: readonly string[]
}

/** Applies edits that do not overlap; what lies outside of them stays to the byte. */
export function applyTextEdits(source: string, edits: readonly TextEdit[]): string {
  const ordered = edits
    .map((edit, index) => ({ ...edit, index }))
    .sort((a, b) => a.start - b.start || a.index - b.index)
  let result = ''
  let at = 0
  for (const { start, end, text } of ordered) {
    result += source.slice(at, start) + text
    at = end
  }
  return result + source.slice(at)
}

/**
 * Sees to it that an element has a child, with these children in its turn; those that are there already and as wanted are
 * left as they are.
 */
export function ensureChild(
  source: string,
  parent: XmlElement,
  name: string,
  wanted: readonly WantedElement[],
): TextEdit[] {
  if (wanted.length === 0) return []
  const child = childrenOf(parent, name)[0]
  if (child === undefined) return [insert(source, parent, [{ name, attributes: {}, children: wanted }])]
  const missing = wanted.filter((one) => counterpart(child, one) === undefined)
  const replaced = wanted.flatMap((one) => {
    const there = counterpart(child, one)
    if (there === undefined || isAsWanted(there, one)) return []
    return [replace(source, there, one)]
  })
  return missing.length === 0 ? replaced : [...replaced, insert(source, child, missing)]
}

/** Puts elements at the end of another. */
export function insert(source: string, parent: XmlElement, wanted: readonly WantedElement[]): TextEdit {
  const outer = indentOf(source, parent.start)
  const first = parent.children[0]
  const inner = first === undefined ? `${outer}  ` : indentOf(source, first.start)
  const text = wanted.map((one) => `${newline(source)}${print(source, one, inner)}`).join('')
  const tag = startTag(source, parent)
  if (tag.endsWith('/>')) {
    const name = /^<([^\s/>]+)/.exec(tag)?.[1] ?? parent.name
    const opened = `${tag.slice(0, -2).trimEnd()}>${text}${newline(source)}${outer}</${name}>`
    return { start: parent.start, end: parent.end, text: opened }
  }
  // Before the white space that the end tag stands behind.
  const close = source.lastIndexOf('</', parent.end - 1)
  const isOnOwnLine = /\n[ \t]*$/.test(source.slice(parent.start, close))
  const end = isOnOwnLine ? source.slice(0, close).replace(/\r?\n[ \t]*$/, '').length : close
  return { start: end, end, text: isOnOwnLine ? text : `${text}${newline(source)}${outer}` }
}

/** Puts another element in an element's place. */
function replace(source: string, element: XmlElement, wanted: WantedElement): TextEdit {
  const text = print(source, wanted, indentOf(source, element.start)).trimStart()
  return { start: element.start, end: element.end, text }
}

/** Takes an element away, with its line when it has one of its own. */
export function remove(source: string, { start, end }: XmlElement): TextEdit {
  const before = /\r?\n[ \t]*$/.exec(source.slice(0, start))?.[0].length ?? 0
  const endsLine = /^[ \t]*(\r?\n|<)/.test(source.slice(end))
  return { start: endsLine ? start - before : start, end, text: '' }
}

/** Gives an element's attributes values, each in the place where it stands. */
export function setAttributes(
  source: string,
  element: XmlElement,
  values: Readonly<Record<string, string>>,
): TextEdit[] {
  const tag = startTag(source, element)
  return Object.entries(values).flatMap(([name, value]) => {
    if (element.attributes[name] === value) return []
    const found = new RegExp(`\\s${name}\\s*=\\s*("[^"]*"|'[^']*')`).exec(tag)
    if (found?.[1] !== undefined) {
      const start = element.start + found.index + found[0].length - found[1].length
      const quote = found[1].slice(0, 1)
      return [{ start, end: start + found[1].length, text: `${quote}${escaped(value)}${quote}` }]
    }
    const at = element.start + (/^<[^\s/>]+/.exec(tag)?.[0].length ?? 0)
    return [{ start: at, end: at, text: ` ${name}='${escaped(value)}'` }]
  })
}

/** Takes an attribute away, with the white space before it. */
export function removeAttribute(source: string, element: XmlElement, name: string): TextEdit[] {
  const found = new RegExp(`\\s+${name}\\s*=\\s*("[^"]*"|'[^']*')`).exec(startTag(source, element))
  if (found === null) return []
  const start = element.start + found.index
  return [{ start, end: start + found[0].length, text: '' }]
}

function counterpart(
  parent: XmlElement,
  { name, key = [], attributes }: WantedElement,
): XmlElement | undefined {
  return childrenOf(parent, name).find((child) =>
    key.every((one) => isSame(child.attributes[one], attributes[one])),
  )
}

/** libvirt reads `01` as 1. */
function isSame(one: string | undefined, other: string | undefined): boolean {
  const isNumber = /^\d{1,15}$/.test(one ?? '') && /^\d{1,15}$/.test(other ?? '')
  return isNumber ? Number(one) === Number(other) : one === other
}

/** Whether an element says what is wanted: that it says more is its own business. */
function isAsWanted(element: XmlElement, { attributes, children = [] }: WantedElement): boolean {
  return (
    Object.entries(attributes).every(([name, value]) => isSame(element.attributes[name], value)) &&
    children.every((child) => {
      const there = counterpart(element, child)
      return there !== undefined && isAsWanted(there, child)
    })
  )
}

function print(source: string, { name, attributes, children = [] }: WantedElement, indent: string): string {
  const given = Object.entries(attributes).map(([key, value]) => ` ${key}='${escaped(value)}'`)
  const open = `${indent}<${name}${given.join('')}`
  if (children.length === 0) return `${open}/>`
  const inner = children.map((child) => print(source, child, `${indent}  `))
  return [`${open}>`, ...inner, `${indent}</${name}>`].join(newline(source))
}

/** A text for between tags or in quotes. */
export function escaped(text: string): string {
  return text.replace(/[&<>'"]/g, (character) => `&#${character.charCodeAt(0)};`)
}

/** The white space before something on its line; none when other things stand there. */
function indentOf(source: string, at: number): string {
  return /(?:^|\n)([ \t]*)$/.exec(source.slice(0, at))?.[1] ?? ''
}

function newline(source: string): string {
  return source.includes('\r\n') ? '\r\n' : '\n'
}

/** `<name …>` or `<name …/>`: a `>` in an attribute does not end it. */
function startTag(source: string, { start, end }: XmlElement): string {
  return /^<(?:"[^"]*"|'[^']*'|[^"'>])*>/.exec(source.slice(start, end))?.[0] ?? ''
}
