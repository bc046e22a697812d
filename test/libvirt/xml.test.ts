import t from 'tap'
import { childOf, childrenOf, parseXml } from '../../src/libvirt/xml.js'

const SOURCE = `<?xml version='1.0'?>
<!-- by hand -->
<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>a&amp;b &#x3c;1&gt; <!-- no part of it --><![CDATA[ <c> ]]></name>
  <metadata><r:request xmlns:r="urn:r" xmlns="urn:default"><nic/><none xmlns=""/></r:request></metadata>
  <qemu:commandline><qemu:arg value='-fw_cfg'/><qemu:arg value='a="b"&#10;c'/></qemu:commandline>
</domain>
`

const parsed = (source: string) => {
  const root = parseXml(source)
  if ('problem' in root) throw new Error(root.problem)
  return root
}

t.test('elements with their namespaces, attributes, text and places', async (t) => {
  const root = parsed(SOURCE)
  t.match(root, { name: 'domain', namespace: null, attributes: { type: 'kvm' } })
  t.equal(childOf(root, 'name')?.text, 'a&b <1>  <c>')
  const request = childOf(childOf(root, 'metadata'), 'request', 'urn:r')
  t.strictSame(
    request?.children.map(({ name, namespace }) => [name, namespace]),
    [
      ['nic', 'urn:default'],
      ['none', null],
    ],
  )
  const QEMU = 'http://libvirt.org/schemas/domain/qemu/1.0'
  const args = childrenOf(childOf(root, 'commandline', QEMU), 'arg', QEMU)
  t.strictSame(
    args.map(({ attributes }) => attributes.value),
    ['-fw_cfg', 'a="b"\nc'],
  )
  t.equal(SOURCE.slice(args[0]?.start, args[0]?.end), "<qemu:arg value='-fw_cfg'/>")
  t.equal(
    SOURCE.slice(request?.start, request?.end).replace(/>.*</, '>…<'),
    '<r:request xmlns:r="urn:r" xmlns="urn:default">…</r:request>',
  )
  t.equal(childOf(root, 'commandline'), null, 'a name in a namespace is another one')
})

t.test('places are right whatever line ends and characters come before', async (t) => {
  const source = '<a>\r\n  <b x="ä😀">\r\n</b>\r\n<!-- 😀 --><c/></a>\r\n'
  const root = parsed(source)
  const [b, c] = root.children
  t.equal(source.slice(b?.start, b?.end), '<b x="ä😀">\r\n</b>')
  t.equal(source.slice(c?.start, c?.end), '<c/>')
})

t.test('what is not XML is told with its line', async (t) => {
  t.match(parseXml('<a>\n<b></a>'), { line: 2, problem: /b/ })
  t.match(parseXml(''), { line: 1 })
  t.match(parseXml('hello'), { line: 1 })
  t.match(parseXml('<!-- only this -->'), { line: 1 })
})
