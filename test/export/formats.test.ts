import t from 'tap'
import { EXPORT_FORMATS, type ExportFormatName, exportAs } from '../../src/export/formats.js'
import { tomlKey } from '../../src/units/printable.js'
import { readyNic } from '../plan/make.js'
import { subjectOf, threeNics } from './subject.js'

const CONFIG = `[nic.fieldbus-0]\naddress = "0000:03:00.1"\n[nic.line]\nid = "8086:1521"\npool = true\n`
const UNBOUND = { driver: 'igb', vfioNode: null }
const NOTHING = { offers: [], host: { realtimeCpus: null, preemptRt: null, isHooked: false }, expires: null }

/** Lines that say something. */
const lines = (text: string) => text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))

t.test("Nova's provider: what is not ready is reserved, since Placement takes no total of 0", async (t) => {
  const { text } = exportAs('nova-provider', subjectOf(CONFIG, threeNics({ 1: UNBOUND })))
  t.strictSame(lines(text), [
    'meta:',
    "  schema_version: '1.0'",
    'providers:',
    '  - identification:',
    '      uuid: $COMPUTE_NODE',
    '    inventories:',
    '      additional:',
    '        - CUSTOM_NIC_FIELDBUS_0:',
    '            total: 1',
    '            reserved: 1',
    '        - CUSTOM_NIC_LINE:',
    '            total: 2',
    '    traits:',
    '      additional:',
    '        - CUSTOM_QEMU_RT',
    '        - CUSTOM_PREEMPT_RT',
  ])
  t.strictSame(lines(exportAs('nova-provider', NOTHING).text), ['meta:', "  schema_version: '1.0'"])
})

t.test(
  "Nova's provider: with libvirt's hook, which binds it, only what the host itself uses is reserved",
  async (t) => {
    const subject = subjectOf(CONFIG, threeNics({ 1: UNBOUND, 2: { iommuGroup: null } }))
    const hooked = { ...subject, host: { ...subject.host, isHooked: true } }
    const reserved = (text: string) => lines(text).filter((line) => /CUSTOM_NIC|reserved/.test(line))
    t.strictSame(reserved(exportAs('nova-provider', hooked).text), [
      '        - CUSTOM_NIC_FIELDBUS_0:',
      '        - CUSTOM_NIC_LINE:',
      '            reserved: 1',
    ])
    t.equal(reserved(exportAs('nova-provider', subject).text).length, 4)
  },
)

t.test("Nova's devices: by address, bound or not, since libvirt binds them", async (t) => {
  const { text } = exportAs('nova-pci', subjectOf(CONFIG, threeNics({ 1: UNBOUND, 2: { iommuGroup: null } })))
  t.strictSame(lines(text), [
    '[pci]',
    'device_spec = {"address": "0000:03:00.1", "resource_class": "CUSTOM_NIC_FIELDBUS_0"}',
    'device_spec = {"address": "0000:03:00.0", "resource_class": "CUSTOM_NIC_LINE"}',
  ])
  t.match(
    text,
    /^# alias = {"name": "fieldbus-0", "resource_class": "CUSTOM_NIC_FIELDBUS_0", "device_type": "type-PCI"}$/m,
  )
})

t.test('never a physical function beside its virtual ones, whose type is said', async (t) => {
  const [pf, vf] = threeNics()
  if (pf === undefined || vf === undefined) throw new Error('too few')
  const both = [
    { ...pf, sriov: { enabled: 1, total: 4 } },
    { ...vf, virtualFunction: { pf: pf.address, index: 0 } },
  ]
  const made = exportAs(
    'nova-pci',
    subjectOf('[nic.all]\nid = "8086:1521"\npool = true\n', [
      { ...both[0], driver: 'igb' },
      both[1],
    ] as typeof both),
  )
  t.strictSame(lines(made.text), [
    '[pci]',
    'device_spec = {"address": "0000:03:00.1", "resource_class": "CUSTOM_NIC_ALL"}',
  ])
  t.match(made.text, /"device_type": "type-VF"/)
  t.strictSame(made.notes, ["NIC 'all': 0000:03:00.0 is left out, since virtual functions of it are listed"])
  const alone = exportAs('nova-pci', subjectOf('[nic.pf]\naddress = "0000:03:00.0"\n', both))
  t.match(alone.text, /"device_type": "type-PF"/)
})

t.test('Nova: a PCI domain that it refuses is left out', async (t) => {
  const nic = readyNic('10000:01:00.0', 'ens9', 'a0:36:9f:00:00:09')
  const made = exportAs('nova-pci', subjectOf('[nic.far]\naddress = "10000:01:00.0"\n', [nic]))
  t.notMatch(made.text, 'device_spec = ')
  t.strictSame(made.notes, [
    "NIC 'far': 10000:01:00.0 is left out, since Nova takes no PCI domain above ffff",
  ])
})

t.test('the device plugin: never an empty list of addresses, which would mean every device', async (t) => {
  const { text } = exportAs('sriov-dp', subjectOf(CONFIG, threeNics({ 1: UNBOUND })))
  t.strictSame(JSON.parse(text), {
    resourceList: [
      {
        resourceName: 'line',
        resourcePrefix: 'qemu-rt',
        selectors: { pciAddresses: ['0000:03:00.0', '0000:03:00.2'], drivers: ['vfio-pci'] },
      },
    ],
  })
  t.strictSame(
    JSON.parse(exportAs('sriov-dp', subjectOf(CONFIG, threeNics())).text).resourceList[0].resourceName,
    'fieldbus_0',
  )
})

t.test('features: one a line, and until when they are true before them', async (t) => {
  const expires = new Date('2030-01-02T03:04:05.678Z')
  const { text } = exportAs(
    'nfd',
    subjectOf(CONFIG, threeNics({ 1: UNBOUND, 2: { numaNode: 1 } }), { expires }),
  )
  t.equal(
    text,
    [
      '# +expiry-time=2030-01-02T03:04:05Z',
      'qemu-rt/preempt-rt=true',
      'qemu-rt/realtime-cpus=4',
      'qemu-rt/nic-fieldbus_0=0',
      'qemu-rt/nic-line=2',
      '',
    ].join('\n'),
    'and no node where the pool has several',
  )
  t.match(exportAs('nfd', subjectOf(CONFIG, threeNics())).text, /^qemu-rt\/nic-line\.numa-node=0$/m)
  t.equal(exportAs('nfd', NOTHING).text, '')
})

t.test('Kubernetes takes what a NIC is called: a letter or digit at both ends', async (t) => {
  const subject = subjectOf(
    '[nic."-plc.-"]\naddress = "0000:03:00.0"\n[nic._x-1_]\naddress = "0000:03:00.1"\n',
    threeNics(),
  )
  // apimachinery, pkg/util/validation: qualifiedNameFmt.
  const QUALIFIED = /^[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?$/
  const labels = lines(exportAs('nfd', subject).text).map((line) => line.replace(/^qemu-rt\/|=.*$/g, ''))
  const resources = JSON.parse(exportAs('sriov-dp', subject).text).resourceList.map(
    ({ resourceName }: { resourceName: string }) => resourceName,
  )
  t.strictSame(resources, ['plc', 'x_1'])
  t.ok(labels.includes('nic-plc') && labels.includes('nic-x_1.numa-node'), String(labels))
  for (const name of [...labels, ...resources]) t.match(name, QUALIFIED)
  for (const name of ['_', '日本', '-._']) {
    const unnameable = subjectOf(`[nic."${name}"]\naddress = "0000:03:00.0"\n`, threeNics())
    for (const format of ['nfd', 'sriov-dp'] as const)
      t.throws(() => exportAs(format, unnameable), {
        exitCode: 78,
        message: `nothing of the name of NIC '${name}' can be in this format, which takes ASCII letters and digits: [nic.${tomlKey(name)}]; give the NIC a name with a letter or digit of ASCII`,
      })
  }
})

t.test('names that a format cannot tell apart, or has no room for, are refused', async (t) => {
  const two = subjectOf(
    '[nic.a-b]\naddress = "0000:03:00.0"\n[nic.a_b]\naddress = "0000:03:00.1"\n',
    threeNics(),
  )
  const long = subjectOf(`[nic.${'x'.repeat(250)}]\naddress = "0000:03:00.0"\n`, threeNics())
  for (const format of Object.keys(EXPORT_FORMATS) as ExportFormatName[]) {
    t.throws(() => exportAs(format, two), {
      exitCode: 78,
      message: /^NICs 'a-b' and 'a_b' would both be .*: \[nic\.a_b\]; rename/,
    })
    t.throws(() => exportAs(format, long), { exitCode: 78, message: /is too long for this format/ })
  }
})
