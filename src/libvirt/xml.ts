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
})
// Its type is the interface `Symbol`, with which nothing can be indexed.
const META = XMLParser.getMetaDataSymbol() as unknown as symbol

/** An entry of what the parser returns with `preserveOrder`: one key besides the attributes, the element's name. */
interface ParsedNode {
  readonly [name: string | symbol]: unknown
}

/**
 * Reads an XML document.
 * @returns its root element, or what is wrong with it
 */
export function parseXml(source: string): XmlElement | XmlProblem {
  const verdict = XMLValidator.validate(source)
  if (verdict !== true) return { line: verdict.err.line, problem: verdict.err.msg }
  const nodes = parser.parse(source) as readonly ParsedNode[]
  const root = nodes.flatMap((node) => elementOf(node, {}) ?? [])[0]
  return root ?? { line: 1, problem: 'there is no element' }
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

type Prefixes = Readonly<Record<string, string>>

function elementOf(node: ParsedNode, outer: Prefixes): XmlElement | null {
  const tag = Object.keys(node).find((key) => key !== ATTRIBUTES)
  const meta = node[META] as { readonly startIndex: number; readonly endIndex: number } | undefined
  if (tag === undefined || tag === TEXT || tag === CDATA || meta === undefined) return null
  const content = node[tag] as readonly ParsedNode[]
  const attributes = (node[ATTRIBUTES] ?? {}) as Record<string, string>
  const prefixes = { ...outer, ...declaredPrefixes(attributes) }
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

function declaredPrefixes(attributes: Readonly<Record<string, string>>): Prefixes {
  return Object.fromEntries(
    Object.entries(attributes).flatMap(([name, value]) => {
      if (name === 'xmlns') return [['', value]]
      return name.startsWith('xmlns:') ? [[name.slice('xmlns:'.length), value]] : []
    }),
  )
}

function textOf(node: ParsedNode): string {
  if (typeof node[TEXT] === 'string') return node[TEXT]
  const cdata = node[CDATA] as readonly ParsedNode[] | undefined
  return cdata === undefined ? '' : cdata.map(textOf).join('')
}
