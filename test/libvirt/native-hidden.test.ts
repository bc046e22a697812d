import fc from 'fast-check'
import { XMLParser } from 'fast-xml-parser'
import t from 'tap'
import { writeHidden } from '../../src/libvirt/native/hidden.js'
import { parseXml } from '../../src/libvirt/xml.js'
import { native } from './native.js'

/** C1's CSI, DEL, bidi controls, a line separator, what has no width, a tag beyond 16 bits. */
const HIDDEN = ['\x9b', '\x7f', '\u202e', '\u2066', '\u2028', '\u200d', '\ufeff', '\u{e0041}']
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const OBEYED = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069]/

const parser = new XMLParser({
  ignoreAttributes: false,
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  // Numeric references, as every XML parser reads them.
  htmlEntities: true,
})

t.test('the XML of `domain native` has nothing that a terminal obeys, and is the same domain', async (t) => {
  const title = `plc ${HIDDEN.join('.')} 1`
  const xml = `<domain type='kvm'><name>vm</name><title>${title}</title>
  <metadata><a:x xmlns:a='urn:a' y='${title}' z="${title}"><![CDATA[<${title}>]]></a:x></metadata>
  <!-- ${title} --><devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices></domain>\n`
  const written = native(xml).xml
  t.notMatch(written, OBEYED)
  t.strictSame(parser.parse(written), parser.parse(xml))
  t.match(
    written,
    `<title>plc &#x9b;.&#x7f;.&#x202e;.&#x2066;.&#x2028;.&#x200d;.&#xfeff;.&#xe0041; 1</title>`,
  )
  t.match(written, '<!-- plc &#x9b;.')
})

t.test(
  'the path of the emulator, which follows from the name that a domain has for the wrapper, is no XML',
  async (t) => {
    const path = `/opt/x<a \x9b/qemu-&system-x86_64`
    const value = path.replace(/[<&'"]/g, (char) => `&#${char.charCodeAt(0)};`)
    const xml = `<domain type='kvm' xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><name>vm</name>
  <devices><emulator>/usr/local/bin/qemu-rt-system-x86_64</emulator></devices>
  <q:commandline><q:env name='QEMU_RT_EMULATOR' value='${value}'/></q:commandline></domain>\n`
    const written = native(xml).xml
    t.notMatch(written, OBEYED)
    t.equal(parser.parse(written).domain.devices.emulator, path)
  },
)

t.test('each place where such a character may stand', async (t) => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['text', '<a>\x9bb\u202e</a>', '<a>&#x9b;b&#x202e;</a>'],
    ['values', `<a b="\x9b'>" c='\u202e">'/>`, `<a b="&#x9b;'>" c='&#x202e;">'/>`],
    ['CDATA', '<a><![CDATA[<\x9b&]]></a>', '<a><![CDATA[<]]>&#x9b;<![CDATA[&]]></a>'],
    ['CDATA, as if at its end', '<a><![CDATA[]]\x9b>]]></a>', '<a><![CDATA[]]]]>&#x9b;<![CDATA[>]]></a>'],
    ['comments', `<a><!-- \x9b" <b c='> --></a>`, `<a><!-- &#x9b;" <b c='> --></a>`],
    ['instructions', '<?b \x9b?><a/>', '<?b &#x9b;?><a/>'],
    ['names', '<a\u200d b\u200d="\u200d"/>', '<a\u200d b\u200d="&#x200d;"/>'],
    ['separators between values', '<a\u2028b="\u2028"\u2029/>', '<a b="&#x2028;" />'],
    ['separators before a name', '<\u2028a></\u2028a>', '<a></a>'],
    ['a byte order mark', '\ufeff<a>\ufeff</a>', '\ufeff<a>&#xfeff;</a>'],
    ['a carriage return', '<a>b\rc\r\r\nd</a>\r\n', '<a>b\nc\n\r\nd</a>\r\n'],
    ['a carriage return between values', `<a\rb='\r'\r\nc="d"\r/>`, `<a\nb='\n'\r\nc="d"\n/>`],
    ['what can be seen', '<a>ä 😀 &#x9b; \t</a>\n', '<a>ä 😀 &#x9b; \t</a>\n'],
  ]
  for (const [place, given, written] of cases) t.equal(writeHidden(given), written, place)
})

t.test('any well-formed document stays what it is', async (t) => {
  const char = fc.constantFrom(...HIDDEN, ...'ab<>&"\']- \n', 'ä')
  const text = fc.string({ unit: char, maxLength: 12 })
  const escaped = (value: string) =>
    value.replace(/[<>&"']/g, (one) => `&#${one.charCodeAt(0)};`).replaceAll('\n', ' ')
  const piece = fc.oneof(
    text.map(escaped),
    text.map((value) => `<b c="${escaped(value)}"/>`),
    text.map((value) => `<d e='${escaped(value)}'>${escaped(value)}</d>`),
    text.map((value) => `<![CDATA[${value.replaceAll(']]>', '')}]]>`),
    text.map((value) => `<!--${value.replaceAll('-', '')}-->`),
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
      const xml = `<a>${pieces.join('')}</a>`
      const written = writeHidden(xml)
      t.notOk(OBEYED.test(written))
      t.strictSame(parser.parse(written), parser.parse(xml))
      t.equal(writeHidden(written), written)
    }),
    { numRuns: 300, seed: 14 },
  )
})

t.test('a document with a character that XML does not have is none', async (t) => {
  for (const char of ['\0', '\x1b', '\x0b', '\ufffe', '\ud800']) {
    t.match(parseXml(`<a>\n${char}</a>`), {
      line: 2,
      problem: /^it has a character that XML does not allow, U\+/,
    })
    t.match(parseXml(`<a b="${char}"/>`), { line: 1 })
  }
  t.match(parseXml('<a>\x7f\x9b\u202e\ufffd😀\t\r\n</a>'), { name: 'a' })
})
