import t from 'tap'
import { readDomain } from '../../src/libvirt/domain.js'
import { madeArguments } from '../../src/libvirt/made-command.js'
import { writeHidden } from '../../src/libvirt/native/hidden.js'
import { parseQemuConf } from '../../src/libvirt/qemu-conf.js'
import { failureOf, within } from './within.js'

const domain = (inside: string) => `<domain type='kvm'><name>vm</name>${inside}</domain>`
const failure = (xml: string) => failureOf(() => readDomain(xml, 'vm.xml'))
const nested = (depth: number) => '<a>'.repeat(depth) + '</a>'.repeat(depth)

const REFUSED = (where: string) =>
  `this is not a domain's XML: ${where}; give what 'virsh dumpxml' prints (exit 65)`

t.test("a domain's XML nests as deep as libvirt reads it", async (t) => {
  t.equal(failure(domain(`<metadata>${nested(254)}</metadata>`)), 'no failure')
  for (const depth of [255, 5000, 90_000]) {
    t.equal(
      within(t, 2000, `depth ${depth}`, () => failure(domain(`<metadata>${nested(depth)}</metadata>`))),
      REFUSED('vm.xml:1: elements nest more than 256 deep'),
    )
  }
})

t.test("a domain's XML is no longer than libvirt takes", async (t) => {
  const long = domain(`<description>${'x'.repeat(4 * 1024 * 1024)}</description>`)
  t.equal(
    within(t, 100, 'length', () => failure(long)),
    REFUSED('vm.xml:1: it is longer than 4 MiB'),
  )
  const held = domain(`<description>${'x'.repeat(4 * 1024 * 1024 - 100)}</description>`)
  t.equal(
    within(t, 1000, 'just as long', () => failure(held)),
    'no failure',
  )
})

t.test("the elements of a domain's XML are counted", async (t) => {
  t.equal(
    within(t, 500, 'elements', () => failure(domain('<a/>'.repeat(500_000)))),
    REFUSED('vm.xml:1: it has more than 200000 tags'),
  )
  t.equal(
    within(t, 3000, 'many', () => failure(domain('<a/>'.repeat(190_000)))),
    'no failure',
  )
})

t.test('what expands or is a name of JavaScript is refused, or harmless', async (t) => {
  const entities = `<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa">${Array.from(
    { length: 9 },
    (_, at) =>
      `<!ENTITY ${String.fromCharCode(98 + at)} "${`&${String.fromCharCode(97 + at)};`.repeat(10)}">`,
  ).join('')}]>${domain('<description>&j;</description>')}`
  t.equal(
    within(t, 500, 'entities', () => failure(entities)),
    REFUSED('vm.xml:1: it has a document type, which no domain has'),
  )
  t.match(
    failure(domain('<__proto__ x="1"/>')),
    /^this is not a domain's XML: vm\.xml:1: .*__proto__.*\(exit 65\)$/,
  )
  t.equal(failure(domain('<toString/><hasOwnProperty/><valueOf x="1"/>')), 'no failure')
  t.equal(
    failure(domain('<description><![CDATA[<!DOCTYPE ]]> <!-- <!DOCTYPE --></description>')),
    'no failure',
  )
})

t.test('what a terminal obeys is written as references in a short time, wherever it stands', async (t) => {
  const size = 2_000_000
  const texts = {
    text: `<a>${'\x9b'.repeat(size)}</a>`,
    value: `<a b="${'\x9b'.repeat(size)}"/>`,
    values: `<a ${Array.from({ length: size / 20 }, (_, at) => `b${at}='\x9b'`).join(' ')}/>`,
    CDATA: `<a><![CDATA[${'\x9b'.repeat(size)}]]></a>`,
    comment: `<a><!--${'\x9b'.repeat(size)}--></a>`,
    elements: '<a>\x9b</a>'.repeat(size / 10),
    'never closed': `<a ${'b="'.repeat(size / 3)}`,
  }
  for (const [what, text] of Object.entries(texts)) {
    const written = within(t, 3000, what, () => writeHidden(text))
    t.notMatch(written, '\x9b', what)
  }
})

t.test('numbers in XML that no libvirt takes make no command line without end', async (t) => {
  const made = (inside: string) => failureOf(() => madeArguments(readDomain(domain(inside), 'vm.xml')))
  for (const inside of [
    '<iothreads>99999999999</iothreads>',
    '<iothreads>4294967295</iothreads>',
    '<iothreads>-1</iothreads>',
    '<iothreads>1e9</iothreads>',
    `<memory>${'9'.repeat(1_000_000)}</memory>`,
    '<devices><hostdev type="pci"><source><address bus="1e999" slot="-1"/></source></hostdev></devices>',
  ]) {
    t.equal(
      within(t, 1000, inside.slice(0, 40), () => made(inside)),
      'no failure',
    )
  }
})

t.test('qemu.conf is read in a short time, whatever is in it', async (t) => {
  const texts = ['\n', ' \n', 'namespaces = [\n', 'user = "a\n', '"', '[', 'user \n', '#\n', ' ']
  for (const piece of texts) {
    const text = piece.repeat(Math.floor((1 << 20) / piece.length))
    within(t, 1000, JSON.stringify(piece), () => parseQemuConf(text))
  }
})

t.test('qemu.conf is read as libvirt reads it, one longer than 1 MiB not at all', async (t) => {
  const conf =
    '# user = "no"\n\n  user = "vms"\nnamespaces = [ ]\ncgroup_device_acl = [\n "/dev/null", # "/no"\n "/dev/x"\n]\n'
  const read = { user: 'vms', hasOwnDev: false, limitsDevices: true, deviceAcl: ['/dev/null', '/dev/x'] }
  t.strictSame(parseQemuConf(conf), read)
  t.strictSame(parseQemuConf(conf.replaceAll('\n', '\r\n')), read)
  t.equal(parseQemuConf(conf + '\n'.repeat(1 << 20)).user, null)
})
