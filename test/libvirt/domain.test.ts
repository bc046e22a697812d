import { readFileSync } from 'node:fs'
import t from 'tap'
import { readDomain } from '../../src/libvirt/domain.js'
import { withPassedHostdevs } from '../../src/libvirt/made-command.js'

const domain = (inside: string) =>
  readDomain(
    `<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>plc-1</name>${inside}</domain>`,
    'd.xml',
  )
const request = (inside: string, attributes = '') =>
  domain(`<metadata><q:request xmlns:q="urn:qemu-rt:request" ${attributes}>${inside}</q:request></metadata>`)
    .request

t.test('name, UUID, emulator and what is passed to QEMU', async (t) => {
  const found = domain(`
    <uuid>C1B6C8A4-5d8e-4a9b-9d4c-6f5e4d3c2b1a</uuid>
    <devices><emulator>/usr/local/bin/qemu-rt-system-x86_64</emulator></devices>
    <seclabel type='dynamic' model='apparmor'/>
    <seclabel type='static' model='dac' relabel='yes'><label>+64055:+109</label></seclabel>
    <qemu:commandline><qemu:arg value='--rt-nic'/><qemu:arg value='fieldbus0'/>
    <qemu:env name='QEMU_RT_PROFILE' value='rt'/></qemu:commandline>`)
  t.match(found, {
    name: 'plc-1',
    uuid: 'c1b6c8a4-5d8e-4a9b-9d4c-6f5e4d3c2b1a',
    emulator: '/usr/local/bin/qemu-rt-system-x86_64',
    args: ['--rt-nic', 'fieldbus0'],
    env: { QEMU_RT_PROFILE: 'rt' },
    user: '+64055',
  })
  t.match(domain(''), { uuid: null, emulator: null, args: [], env: {}, user: null, hostdevs: [] })
})

t.test("PCI devices have the ids that libvirt's QEMU gives them", async (t) => {
  const found = domain(`<devices>
    <hostdev mode='subsystem' type='usb'><source><vendor id='0x1'/></source></hostdev>
    <hostdev mode='subsystem' type='pci' managed='yes'>
      <source><address domain='0x0000' bus='0x03' slot='0x00' function='0x1'/></source></hostdev>
    <interface type='hostdev'><source><address type='pci' domain='0x0000' bus='0x1a' slot='0x1f' function='0x7'/></source></interface>
    <hostdev mode='subsystem' type='pci'><source><address bus='5' slot='0'/></source><alias name='ua-nic'/></hostdev>
    <interface type='network'><source network='x'/></interface></devices>`)
  t.match(found.hostdevs, [
    { id: 'hostdev0', address: '0000:1a:1f.7', managed: false },
    { id: 'hostdev2', address: '0000:03:00.1', managed: true },
    { id: 'ua-nic', address: '0000:05:00.0', managed: false },
  ])
  t.equal(found.hostdevs.length, 3)
})

t.test('a PCI device without an alias has the number after the highest that there is', async (t) => {
  const hostdev = (bus: number, alias = '') => `<hostdev mode='subsystem' type='pci'>
    <source><address domain='0' bus='${bus}' slot='0' function='0'/></source>${alias && `<alias name='${alias}'/>`}</hostdev>`
  const ids = (...all: readonly string[]) =>
    domain(`<devices>${all.join('')}</devices>`).hostdevs.map(({ id }) => id)
  t.strictSame(ids(hostdev(1, 'ua-first'), hostdev(2), hostdev(3)), ['ua-first', 'hostdev0', 'hostdev1'])
  t.strictSame(ids(hostdev(1), hostdev(2, 'hostdev3'), hostdev(3)), ['hostdev4', 'hostdev3', 'hostdev5'])
})

t.test("a request in the domain's metadata", async (t) => {
  t.match(request('<q:nic name="a"/><q:nic name="b"/>', 'profile="rt"'), {
    isAsked: true,
    profile: 'rt',
    nics: { add: ['a', 'b'] },
  })
  t.match(request('<nic name="a" device="hostdev0"/>'), {
    profile: null,
    nics: { replace: { hostdev0: 'a' } },
  })
  t.match(request(''), { isAsked: true, profile: null, nics: null })
  t.match(domain('<metadata><request xmlns="urn:other" profile="x"/></metadata>').request, {
    isAsked: false,
    profile: null,
    nics: null,
  })
})

t.test("Nova's flavor and instance name", async (t) => {
  const nova = (version: string) =>
    domain(`<metadata><nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/${version}">
      <nova:name>Line 1 &amp; 2</nova:name><nova:flavor name="rt.large"><nova:vcpus>4</nova:vcpus></nova:flavor>
      </nova:instance></metadata>`).request
  for (const version of ['1.0', '1.1']) {
    t.match(nova(version), { isAsked: false, flavor: 'rt.large', instance: 'Line 1 & 2' })
  }
  t.match(domain('').request, { flavor: null, instance: null })
})

t.test(
  "what Nova has from a tenant is no flavor: an image's properties, since 32.0, and an instance's name",
  async (t) => {
    const metadata = (image: string) => `<metadata>
    <nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1">
      <nova:name>&lt;/nova:name&gt;&lt;nova:flavor name="rt.large"/&gt;</nova:name>
      ${image}
      <nova:flavor name="plain" id="1"><nova:extraSpecs><nova:extraSpec name="flavor">rt.large</nova:extraSpec></nova:extraSpecs>
      </nova:flavor></nova:instance></metadata>`
    const properties = '<nova:property name="flavor">rt.large</nova:property><nova:flavor name="rt.large"/>'
    const image = `<nova:image uuid="2e3a813e"><nova:properties>${properties}</nova:properties></nova:image>`
    t.match(domain(metadata(image)).request, {
      flavor: 'plain',
      instance: '</nova:name><nova:flavor name="rt.large"/>',
    })
  },
)

t.test("domains of Nova's, as it made them, ask by their flavors", async (t) => {
  const of = (name: string) =>
    readDomain(readFileSync(`fixtures/cases/nova.${name}/domain.xml`, 'utf8'), name).request
  t.match(of('fieldbus0'), { isAsked: false, flavor: 'rt.fieldbus0', instance: 'press-1' })
  t.match(of('pinned'), { isAsked: false, flavor: 'rt.pinned', instance: 'pinned' })
  t.match(of('alias'), { isAsked: false, flavor: 'rt.alias', instance: 'alias' })
})

t.test('what is not understood is said in one line', async (t) => {
  const mend = "; mend it with 'virsh metadata' or 'virsh edit'"
  const cases: [() => unknown, string][] = [
    [
      () => request('', 'profil="rt"'),
      `the <request> in <metadata> is not understood: <request> has an unknown attribute 'profil'; did you mean 'profile'?${mend}`,
    ],
    [
      () => request('<nic nam="a"/>'),
      `the <request> in <metadata> is not understood: <nic> has an unknown attribute 'nam'; did you mean 'name'?${mend}`,
    ],
    [() => request('<nic/>'), `the <request> in <metadata> is not understood: <nic> has no name${mend}`],
    [
      () => request('<disk/>'),
      `the <request> in <metadata> is not understood: <disk> is not known there; <nic> is${mend}`,
    ],
    [
      () => request('<nic name="a" device="d"/><nic name="b"/>'),
      `the <request> in <metadata> is not understood: some <nic> have a device and some have not; give all of them one, or none${mend}`,
    ],
    [
      () => request('<nic name="a" device="d"/><nic name="b" device="d"/>'),
      `the <request> in <metadata> is not understood: two <nic> for device 'd'${mend}`,
    ],
    [
      () => readDomain('<network><name>x</name></network>', 'd.xml'),
      "this is not a domain's XML: d.xml: its root is <network>, not <domain>; give what 'virsh dumpxml' prints",
    ],
    [
      () => readDomain('<domain/>', 'd.xml'),
      "this is not a domain's XML: d.xml: <name> is missing; give what 'virsh dumpxml' prints",
    ],
    [
      () => readDomain('<domain>\n<name></domain>', 'd.xml'),
      "this is not a domain's XML: d.xml:2: Expected closing tag 'name' (opened in line 2, col 1) instead of closing tag 'domain'; give what 'virsh dumpxml' prints",
    ],
  ]
  for (const [run, message] of cases) t.throws(run, { message, exitCode: 65 })
})

t.test(
  'devices that libvirt is to pass open get their addresses, which domxml-to-native leaves out',
  async (t) => {
    const path = 'fixtures/domains/golden/hostdev-iommufd.xml'
    const domain = readDomain(readFileSync(path, 'utf8'), path)
    const printed = readFileSync('fixtures/cases/libvirt-12.8.hostdev-iommufd/input.args', 'utf8')
    const args = [...printed.matchAll(/^-device '(.*vfio-pci.*)' /gm)].map(([, arg = '']) => arg)
    t.match(withPassedHostdevs(args, domain), [
      '{"driver":"vfio-pci","host":"0000:03:00.1","id":"hostdev0","iommufd":"iommufd0",',
      '{"driver":"vfio-pci","host":"0000:03:00.3","id":"hostdev1","iommufd":"iommufd0",',
    ])
    const others = [
      '{"driver":"vfio-pci","id":"hostdev0","fd":"25"}',
      '{"driver":"vfio-pci","host":"0000:03:00.0","id":"hostdev1"}',
      '{"driver":"vfio-pci","id":"hostdev2","iommufd":"iommufd0"}',
    ]
    t.strictSame(withPassedHostdevs(others, domain), others)
  },
)
