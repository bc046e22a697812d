import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import t from 'tap'
import { applyTextEdits, ensureChild, remove, setAttributes } from '../../src/libvirt/native/splice.js'
import { parseXml, type XmlElement } from '../../src/libvirt/xml.js'
import { CONFIG, native } from './native.js'

const PLC = readFileSync(fileURLToPath(new URL('../../fixtures/domains/plc.xml', import.meta.url)), 'utf8')

/** What a text has that another has not, line by line, trimmed. */
function changes(before: string, after: string): { gone: string[]; come: string[] } {
  const lines = (text: string) => text.split('\n').map((line) => line.trim())
  const [old, now] = [lines(before), lines(after)]
  return { gone: old.filter((line) => !now.includes(line)), come: now.filter((line) => !old.includes(line)) }
}

const domainWith = (inside: string, name = 'vm') =>
  `<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>${name}</name>
  <memory>1048576</memory><vcpu>2</vcpu>
${inside}
</domain>`
const WRAPPER = '<emulator>/usr/local/bin/qemu-rt-system-x86_64</emulator>'

t.test('all that libvirt can do is said to it, and the wrapper goes', async (t) => {
  const { xml, remains } = native(PLC)
  t.strictSame(remains, [])
  t.strictSame(changes(PLC, xml), {
    gone: [
      '<rt:request xmlns:rt="urn:qemu-rt:request" profile="rt">',
      '<rt:nic name="fieldbus0"/>',
      '</rt:request>',
      '<emulator>/usr/local/bin/qemu-rt-system-x86_64</emulator>',
    ],
    come: [
      '<emulator>/usr/bin/qemu-system-x86_64</emulator>',
      "<hostdev mode='subsystem' type='pci' managed='yes'>",
      '<source>',
      "<address domain='0x0000' bus='0x03' slot='0x00' function='0x2'/>",
      '</source>',
      '</hostdev>',
      '<memoryBacking>',
      "<source type='memfd'/>",
      "<access mode='shared'/>",
      '</memoryBacking>',
      '<cputune>',
      "<vcpupin vcpu='0' cpuset='4'/>",
      "<vcpupin vcpu='1' cpuset='5'/>",
      "<vcpupin vcpu='2' cpuset='6'/>",
      "<vcpupin vcpu='3' cpuset='7'/>",
      "<emulatorpin cpuset='0-1'/>",
      "<iothreadpin iothread='1' cpuset='0-1'/>",
      "<vcpusched vcpus='1-3' scheduler='fifo' priority='2'/>",
      '</cputune>',
    ],
  })
  t.match(xml, '\t<hostdev mode', 'indented as its neighbours')
  t.match(xml, '<shop:note><![CDATA[ <keep> & this ]]></shop:note>')
  t.match(xml, "<clock offset='utc'/>   <!-- the plant's clock is UTC -->")
})

t.test('what is said already is not said again', async (t) => {
  const once = native(PLC).xml
  t.equal(native(once, CONFIG.concat('[[domain]]\nname = "plc-*"\nprofile = "rt"\n')).xml, once)
  for (const inside of [`<devices>${WRAPPER}</devices>`, '<memoryBacking><nosharepages/></memoryBacking>']) {
    const { xml } = native(domainWith(inside))
    t.equal(native(xml).xml, xml)
  }
})

t.test('huge pages and locked memory are added to what is there', async (t) => {
  const domain = (pages: string) =>
    domainWith(`  <memoryBacking>\n    <nosharepages/>${pages}\n  </memoryBacking>
  <devices>${WRAPPER}</devices>
  <qemu:commandline><qemu:env name='QEMU_RT_PROFILE' value='memory'/></qemu:commandline>`)
  const { xml, remains } = native(domain(''))
  t.strictSame(remains, [])
  t.match(
    xml,
    `  <memoryBacking>
    <nosharepages/>
    <hugepages>
      <page size='1048576' unit='KiB'/>
    </hugepages>
    <locked/>
    <source type='memfd'/>
  </memoryBacking>`,
  )
  t.notMatch(xml, 'QEMU_RT_PROFILE')
  for (const own of [
    "<hugepages><page size='1' unit='G'/></hugepages>",
    "<hugepages><page size='2' unit='MiB' nodeset='0'/></hugepages>",
    '<hugepages/>',
  ]) {
    t.equal(native(domain(own)).xml.split('hugepages').length, own.split('hugepages').length)
    t.match(native(domain(own)).xml, own, 'what the domain has chosen stays, as in the plan')
  }
})

t.test('modules of RAM are shared where the plan shares them', async (t) => {
  const module = (model: string) =>
    `<memory model='${model}' access='private'><target><size unit='KiB'>131072</size><node>0</node></target></memory>`
  const { xml, remains } = native(
    domainWith(`<devices>${WRAPPER}${module('dimm')}${module('virtio-mem')}${module('nvdimm')}
    <interface type='vhostuser'><source type='unix' path='/run/s' mode='client'/><model type='virtio'/></interface></devices>`),
  )
  t.strictSame(remains, [])
  t.match(xml, "<memory model='dimm' access='shared'>")
  t.match(xml, "<memory model='virtio-mem' access='shared'>")
  t.match(xml, "<memory model='nvdimm' access='private'>", 'a file of its own owner')
})

t.test('what is chosen at launch remains for the wrapper, with the request for it', async (t) => {
  const before = domainWith(`  <devices>\n    ${WRAPPER}\n  </devices>
  <qemu:commandline>
    <qemu:arg value='--rt-nic'/><qemu:arg value='line'/>
    <qemu:arg value='--rt-nic=fieldbus0'/>
    <qemu:arg value='--rt-profile'/>
    <qemu:arg value='auto'/>
  </qemu:commandline>`)
  const { xml, remains } = native(before)
  t.strictSame(remains, [
    'vCPUs: their CPUs are chosen at launch (auto), so their policy is set then, too',
    'worker threads: libvirt cannot tell them from emulator threads',
    "NIC 'line' is a pool: which device it is is chosen at launch",
  ])
  t.match(xml, WRAPPER)
  t.match(xml, "<qemu:arg value='--rt-nic'/><qemu:arg value='line'/>")
  t.match(xml, "<qemu:arg value='--rt-profile'/>\n    <qemu:arg value='auto'/>")
  t.notMatch(xml, 'fieldbus0', 'one device is said by its address')
  t.match(xml, "function='0x2'")
  t.match(xml, "<emulatorpin cpuset='0-1'/>")
  t.notMatch(xml, 'vcpusched', 'real-time before it has its CPU it must not be')
})

t.test('a device that the wrapper would exchange gets its address', async (t) => {
  const config = `${CONFIG}[[domain]]\nname = "vm"\nnics = { hostdev0 = "fieldbus0" }\n`
  const before = domainWith(`<devices>${WRAPPER}<hostdev mode='subsystem' type='pci' managed='yes'><source>
    <address domain="0x0000" bus="0x03" slot="0x00" function="0x0"/></source></hostdev></devices>`)
  const { xml } = native(before, config)
  t.equal(
    xml,
    before
      .replace('function="0x0"', 'function="0x2"')
      .replace(WRAPPER, '<emulator>/usr/bin/qemu-system-x86_64</emulator>'),
  )
  t.equal(native(xml, config).xml, xml)
})

t.test('a NIC of whose device more is said remains', async (t) => {
  const before = domainWith(`<devices>${WRAPPER}</devices>
  <qemu:commandline><qemu:arg value='-device'/><qemu:arg value='vfio-pci,host=nic:fieldbus0,rombar=0'/></qemu:commandline>`)
  const { xml, remains } = native(before)
  t.equal(xml, before)
  t.strictSame(remains, ['a NIC with properties of its device, which libvirt has no words for'])
})

t.test('rules remain', async (t) => {
  const config = `${CONFIG}[[rule]]\noption = "machine"\nset = { hpet = false }\n`
  const { remains, xml } = native(domainWith(`<devices>${WRAPPER}</devices>`), config)
  t.strictSame(remains, ['1 changes by [[rule]] of q.toml'])
  t.match(xml, WRAPPER)
})

t.test('schedules that are there give way to those that are planned', async (t) => {
  const config = `${CONFIG}[profile.all]\nvcpus = { cpus = "4-5", policy = "fifo", priority = 1 }\n[[domain]]\nname = "*"\nprofile = "all"\n`
  const cputune = (inside: string) => domainWith(`  <cputune>\n    ${inside}\n  </cputune>\n<devices/>`)
  const { xml } = native(
    cputune("<vcpusched vcpus='0' scheduler='rr' priority='9'/>\n    <shares>2048</shares>"),
    config,
  )
  t.notMatch(xml, "scheduler='rr'")
  t.match(xml, "<vcpusched vcpus='0-1' scheduler='fifo' priority='1'/>")
  t.match(xml, '<shares>2048</shares>')
  t.equal(native(xml, config).xml, xml)
})

const parsed = (xml: string): XmlElement => {
  const root = parseXml(xml)
  if ('problem' in root) throw new Error(`${root.problem} in ${xml}`)
  return root
}

t.test('an edit changes what it is about and no other byte', async (t) => {
  const space = fc.constantFrom('', ' ', '\n', '\n  ', '\r\n\t', '<!-- > " \' -->', '<![CDATA[ </x> ]]>')
  const child = fc.constantFrom(
    "<a k='1'/>",
    '<a k="2">x</a>',
    '<b:c xmlns:b="u"/>',
    '<target old="x > y"/>',
    '<t/>',
  )
  const body = fc.array(fc.tuple(space, child, space)).map((parts) => parts.flat().join(''))
  fc.assert(
    fc.property(
      body,
      fc.constantFrom('', '<holder/>', '<holder></holder>', '<holder>\n</holder>'),
      (inside, holder) => {
        const source = `<x>${inside}${holder}</x>`
        const root = parsed(source)
        const wanted = [{ name: 'mark', attributes: { v: `1 & "2"` } }]
        const edited = applyTextEdits(source, ensureChild(source, root, 'holder', wanted))
        const after = parsed(edited)
        t.equal(after.children.find(({ name }) => name === 'holder')?.children[0]?.attributes.v, '1 & "2"')
        t.ok(edited.startsWith(`<x>${inside.trimEnd()}`), 'what comes before stays')
        t.strictSame(ensureChild(edited, after, 'holder', wanted), [], 'and once is enough')
        const target = root.children.find(({ name }) => name === 'target')
        if (target === undefined) return
        const set = applyTextEdits(source, setAttributes(source, target, { old: 'new', other: 'o' }))
        t.equal(set, source.replace('<target old="x > y"/>', '<target other=\'o\' old="new"/>'))
        const removed = applyTextEdits(source, [remove(source, target)])
        t.ok(source.length - removed.length >= '<target old="x > y"/>'.length)
        t.equal(parsed(removed).children.length, root.children.length - 1)
      },
    ),
  )
})

t.test("a QEMU of the domain's own stays", async (t) => {
  const own = '<emulator>/opt/qemu/bin/qemu-system-x86_64</emulator>'
  const { xml, emulator } = native(domainWith(`<devices>${own}</devices>`))
  t.equal(emulator, '/opt/qemu/bin/qemu-system-x86_64')
  t.match(xml, own)
})
