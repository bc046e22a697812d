import t from 'tap'
import type { PciDevice } from '../../src/host/facts.js'
import { readHostFacts } from '../../src/host/read.js'
import { formatCpuSet } from '../../src/units/cpu-set.js'

const read = (name: string) => readHostFacts(`fixtures/hosts/${name}`)

/** The facts that decide whether a device can be given to a VM. */
const brief = ({ address, driver, iommuGroup, interfaces, inventory, vfioNode }: PciDevice) =>
  [address, driver, iommuGroup, interfaces[0]?.name ?? inventory?.interfaces[0]?.name, vfioNode?.access].join(
    ' ',
  )

t.test('four-nics: two ports are the host’s, two are on vfio-pci and known from the inventory', async (t) => {
  const { pci, inventoryWarnings, cpus } = read('four-nics')
  t.strictSame(pci.map(brief), [
    '0000:00:00.0 skl_uncore 0  missing',
    '0000:00:01.0 pcieport 1  missing',
    '0000:00:02.0 i915 2  missing',
    '0000:00:14.0 xhci_hcd 3  missing',
    '0000:00:17.0 ahci 4  missing',
    '0000:00:1f.0  5  missing',
    '0000:00:1f.4 i801_smbus 5  missing',
    '0000:00:1f.6 e1000e 5 eno1 missing',
    '0000:03:00.0 igb 11 ens1f0 missing',
    '0000:03:00.1 igb 12 ens1f1 missing',
    '0000:03:00.2 vfio-pci 13 ens1f2 ok',
    '0000:03:00.3 vfio-pci 14 ens1f3 ok',
  ])
  t.strictSame(inventoryWarnings, [])
  t.equal(formatCpuSet(cpus?.present ?? []), '0-7')
})

t.test('four-nics: all that is known of a port with its kernel driver', async (t) => {
  const port = read('four-nics').pci.find(({ address }) => address === '0000:03:00.1')
  const { isGone, directRegion, interruptGuards, ...facts } = port ?? {}
  t.equal(isGone?.(), false)
  t.equal(directRegion?.(), null)
  t.strictSame(interruptGuards?.(), [])
  t.strictSame(facts, {
    address: '0000:03:00.1',
    vendor: '8086',
    device: '1521',
    subsystemVendor: '8086',
    subsystemDevice: '0001',
    classCode: 0x020000,
    driver: 'igb',
    iommuGroup: 12,
    numaNode: 0,
    interfaces: [{ name: 'ens1f1', altnames: ['enp3s0f1', 'enxa0369f123455'], mac: 'a0:36:9f:12:34:55' }],
    virtualFunction: null,
    sriov: null,
    slot: '1',
    serial: 'a0-36-9f-ff-ff-12-34-54',
    vfioNode: { path: '/dev/vfio/12', access: 'missing' },
    vfioContainer: { path: '/dev/vfio/vfio', access: 'ok' },
    cdev: null,
    inventory: null,
  })
})

t.test('four-nics: a port on vfio-pci has no interface, and its MAC from the inventory', async (t) => {
  const port = read('four-nics').pci.find(({ address }) => address === '0000:03:00.2')
  t.strictSame(port?.interfaces, [])
  t.strictSame(port?.inventory?.interfaces, [
    { name: 'ens1f2', altnames: ['enp3s0f2', 'enxa0369f123456'], mac: 'a0:36:9f:12:34:56' },
  ])
  t.strictSame(port?.vfioNode, { path: '/dev/vfio/13', access: 'ok' })
})

t.test('sriov: each physical function has 64 virtual ones, on its own NUMA node', async (t) => {
  const { pci, cpus } = read('sriov')
  const physical = pci.filter(({ sriov }) => sriov !== null)
  t.strictSame(
    physical.map(({ address, sriov, numaNode, slot, interfaces }) => [
      address,
      sriov,
      numaNode,
      slot,
      interfaces[0]?.name,
    ]),
    [
      ['0000:3b:00.0', { enabled: 64, total: 64 }, 0, '1', 'ens1f0'],
      ['0000:af:00.0', { enabled: 64, total: 64 }, 1, '2', 'ens2f0'],
    ],
  )
  for (const { address: pf, numaNode } of physical) {
    const virtual = pci.filter(({ virtualFunction }) => virtualFunction?.pf === pf)
    t.strictSame(
      virtual.map(({ virtualFunction }) => virtualFunction?.index),
      Array.from({ length: 64 }, (_, index) => index),
    )
    t.ok(virtual.every((vf) => vf.numaNode === numaNode && vf.iommuGroup !== null))
    t.equal(new Set(virtual.map(({ iommuGroup }) => iommuGroup)).size, 64)
  }
  t.equal(formatCpuSet(cpus?.present ?? []), '0-15')
})

t.test(
  'sriov: the last four virtual functions are the host’s, two more have no /dev/vfio node',
  async (t) => {
    const virtual = read('sriov').pci.filter(({ virtualFunction }) => virtualFunction?.pf === '0000:af:00.0')
    t.strictSame(virtual.slice(57).map(brief), [
      '0000:af:09.1 vfio-pci 257  ok',
      '0000:af:09.2 vfio-pci 258  missing',
      '0000:af:09.3 vfio-pci 259  missing',
      '0000:af:09.4 iavf 260 ens2f0v60 missing',
      '0000:af:09.5 iavf 261 ens2f0v61 missing',
      '0000:af:09.6 iavf 262 ens2f0v62 missing',
      '0000:af:09.7 iavf 263 ens2f0v63 missing',
    ])
  },
)

t.test('shared-group: group 7 holds a NIC on vfio-pci and a USB controller of the host', async (t) => {
  const { pci } = read('shared-group')
  t.strictSame(pci.filter(({ iommuGroup }) => iommuGroup === 7).map(brief), [
    '0000:00:1c.0 pcieport 7  ok',
    '0000:00:1c.4 pcieport 7  ok',
    '0000:02:00.0 vfio-pci 7 enp2s0 ok',
    '0000:03:00.0 xhci_hcd 7  ok',
  ])
  t.strictSame(pci.filter(({ device }) => device === '10d3').map(brief), [
    '0000:02:00.0 vfio-pci 7 enp2s0 ok',
    '0000:04:00.0 vfio-pci 8 enp4s0 ok',
    '0000:05:00.0 vfio-pci 9 enp5s0 missing',
    '0000:06:00.0 e1000e 10 enp6s0 missing',
  ])
  t.ok(pci.every(({ numaNode }) => numaNode === null))
})

t.test('this machine itself can be read', async (t) => {
  const { pci, cpus } = readHostFacts('/')
  t.ok(pci.every(({ vendor, device }) => /^[\da-f]{4}$/.test(vendor) && /^[\da-f]{4}$/.test(device)))
  t.ok(cpus?.present.includes(0))
})
