import { XMLParser, XMLValidator } from 'fast-xml-parser'

/** An element of an XML document, and where it is in the text. */
export interface XmlElement {
  /** Without the prefix. */
  readonly name: string
  /** Namespace name (URI); null for none. */
  readonly namespace: string | null
  /** Attributes by their names as written, prefix included; values with entities resolved. */
  readonly attributes: Readonly<Record<string, string>>
  readonly children: readonly XmlElement[]
  /** Text directly in it, CDATA included, without white space at its ends; entities resolved. */
  readonly text: string
  /** Offset of `<` in the text, in UTF-16 units as all of JavaScript counts. */
  readonly start: number
  /** Offset after the last `>`. */
  readonly end: number
}

/** What keeps a text from being read as XML, with its line. */
export interface XmlProblem {
  readonly line: number
  readonly problem: string
}

/** What libvirt takes of a client (src/remote/remote_protocol.x, REMOTE_STRING_MAX). */
const MAX_LENGTH = 4 * 1024 * 1024

/** What libxml2 reads for libvirt, which does not ask it for more (parser.c, xmlParserMaxDepth). */
const MAX_DEPTH = 256

/** A domain with a thousand devices and 8192 vCPUs has a fifth of it. */
const MAX_TAGS = 200_000

const TEXT = '#text'
const CDATA = '#cdata'
const ATTRIBUTES = ':@'

const parser = new XMLParser({
  preserveOrder: true,
  captureMetaData: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  cdataPropName: CDATA,
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  // Of `&#10;` too, as libvirt writes a newline in an attribute.
  htmlEntities: true,
  // Without the root element.
  maxNestedTags: MAX_DEPTH - 1,
})
// Its type is the interface `Symbol`, with which nothing can be indexed.
const META = XMLParser.getMetaDataSymbol() as unknown as symbol

/** An entry of what the parser returns with `preserveOrder`: one key besides the attributes, the element's name. */
interface ParsedNode {
  readonly [name: string | symbol]: unknown
}

/**
 * Reads an XML document: one of at most 4 MiB and 200,000 tags, that nests 256 deep and has no document type.
 * @returns its root element, or what is wrong with it
 */
export function parseXml(source: string): XmlElement | XmlProblem {
  const problem = beyondBounds(source)
  if (problem !== null) return { line: 1, problem }
  const strange = strangeCharacter(source)
  if (strange !== null) return strange
  const verdict = XMLValidator.validate(source)
  if (verdict !== true) return { line: verdict.err.line, problem: verdict.err.msg.replace(/\.$/, '') }
  const nodes = parseNodes(source)
  if (typeof nodes === 'string') return { line: 1, problem: nodes }
  const root = nodes.flatMap((node) => elementOf(node, NO_PREFIXES) ?? [])[0]
  return root ?? { line: 1, problem: 'there is no element' }
}

function beyondBounds(source: string): string | null {
  if (source.length > MAX_LENGTH) return 'it is longer than 4 MiB'
  if (hasMoreTags(source)) return `it has more than ${MAX_TAGS} tags`
  return hasDocumentType(source) ? 'it has a document type, which no domain has' : null
}

/** XML 1.0, 2.2, Char: libxml2 refuses others, the parser here would not. */
const NOT_XML = /[^\t\n\r -\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u

function strangeCharacter(source: string): XmlProblem | null {
  const at = source.search(NOT_XML)
  if (at < 0) return null
  const code = (source.codePointAt(at) ?? 0).toString(16).toUpperCase().padStart(4, '0')
  const line = source.slice(0, at).split('\n').length
  return { line, problem: `it has a character that XML does not allow, U+${code}` }
}

function hasMoreTags(source: string): boolean {
  let tags = 0
  for (let at = source.indexOf('<'); at >= 0; at = source.indexOf('<', at + 1)) {
    tags++
    if (tags > MAX_TAGS) return true
  }
  return false
}

/** One would stand before the root element, behind comments and processing instructions. */
function hasDocumentType(source: string): boolean {
  for (let at = source.indexOf('<'); at >= 0; at = source.indexOf('<', at)) {
    const end = source.startsWith('<!--', at) ? '-->' : source.startsWith('<?', at) ? '?>' : null
    if (end === null) return source.startsWith('<!DOCTYPE', at)
    at = source.indexOf(end, at + 2)
    if (at < 0) break
  }
  return false
}

/** @returns what is wrong with a text that is well-formed, such as a name that would be one of JavaScript's */
function parseNodes(source: string): readonly ParsedNode[] | string {
  try {
    return parser.parse(source) as readonly ParsedNode[]
  } catch (error) {
    if (!(error instanceof Error)) throw error
    return error.message === 'Maximum nested tags exceeded'
      ? `elements nest more than ${MAX_DEPTH} deep`
      : error.message
  }
}

/** The first child with a name, in no namespace unless one is given. */
export function childOf(
  element: XmlElement | null,
  name: string,
  namespace: string | null = null,
): XmlElement | null {
  return childrenOf(element, name, namespace)[0] ?? null
}

/** All children with a name, in no namespace unless one is given. */
export function childrenOf(
  element: XmlElement | null,
  name: string,
  namespace: string | null = null,
): readonly XmlElement[] {
  return element?.children.filter((child) => child.name === name && child.namespace === namespace) ?? []
}

/** Each element's inherit from those of the element around it. */
type Prefixes = Readonly<Record<string, string>>

const NO_PREFIXES: Prefixes = Object.create(null)

function elementOf(node: ParsedNode, outer: Prefixes): XmlElement | null {
  const tag = Object.keys(node).find((key) => key !== ATTRIBUTES)
  const meta = node[META] as { readonly startIndex: number; readonly endIndex: number } | undefined
  if (tag === undefined || tag === TEXT || tag === CDATA || meta === undefined) return null
  const content = node[tag] as readonly ParsedNode[]
  const attributes = (node[ATTRIBUTES] ?? {}) as Record<string, string>
  const declared = declaredPrefixes(attributes)
  const prefixes: Prefixes =
    declared.length === 0 ? outer : Object.assign(Object.create(outer), Object.fromEntries(declared))
  const [prefix, name] = tag.includes(':') ? tag.split(':', 2) : ['', tag]
  return {
    name: name ?? tag,
    namespace: prefixes[prefix ?? ''] || null,
    attributes,
    children: content.flatMap((child) => elementOf(child, prefixes) ?? []),
    text: content.map(textOf).join('').trim(),
    start: meta.startIndex,
    end: meta.endIndex,
  }
}

function declaredPrefixes(attributes: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(attributes).flatMap(([name, value]): [string, string][] => {
    if (name === 'xmlns') return [['', value]]
    return name.startsWith('xmlns:') ? [[name.slice('xmlns:'.length), value]] : []
  })
}

function textOf(node: ParsedNode): string {
  if (typeof node[TEXT] === 'string') return node[TEXT]
  const cdata = node[CDATA] as readonly ParsedNode[] | undefined
  return cdata === undefined ? '' : cdata.map(textOf).join('')
}
