import t from 'tap'
import { address, FOUR_NICS, NAMED, planOf } from './make.js'

/** Ports 2 and 3 in one group, and port 0 and 1 in groups of their own. */
const PCI = FOUR_NICS.map((nic, at) =>
  at < 2 ? nic : { ...nic, iommuGroup: 13, vfioNode: { path: '/dev/vfio/13', access: 'ok' as const } },
)
const WITH_CDEV = PCI.map((nic) => ({ ...nic, cdev: { path: '/x', access: 'ok' as const } }))
const CONFIG = `[nic.line1]
address = "03:00.3"
[nic.all]
id = "8086:1521"
pool = true
`
const hasPort = (port: number) => [
  { guest: 'plc-0', pid: 4711, nics: [address(`0000:03:00.${port}`)], cpus: [] },
]
const device = (...args: string[]) => [...NAMED, ...args.flatMap((arg) => ['-device', arg])]
const OF_GROUP = "is in IOMMU group 13, of which guest 'plc-0' (PID 4711) has 0000:03:00.2"

t.test('a NIC of a group of which another VM has a device is refused by the VM’s name', async (t) => {
  const given = { config: CONFIG, pci: PCI, held: hasPort(2) }
  for (const [args, who] of [
    [device('vfio-pci,host=nic:line1'), "NIC 'line1'"],
    [device('vfio-pci,host=0000:03:00.3,id=h0'), "device 'h0'"],
    // One iommufd has all devices of a group.
    [device('vfio-pci,host=nic:line1,iommufd=i'), "NIC 'line1'"],
  ] as const) {
    t.throws(
      () =>
        planOf(args, { ...given, pci: PCI.map((nic) => ({ ...nic, cdev: { path: '/x', access: 'ok' } })) }),
      {
        exitCode: 69,
        mayPass: true,
        message: new RegExp(`^${`${who} ${OF_GROUP}`.replace(/[().]/g, '.')}: `),
      },
      args.join(' '),
    )
  }
})

t.test('a pool goes on to the next free group', async (t) => {
  const pool = (held: ReturnType<typeof hasPort>, pci = PCI) =>
    planOf(device('vfio-pci,host=nic:all'), { config: CONFIG, pci, held }).nics[0]?.address
  t.equal(pool(hasPort(0)), '0000:03:00.1')
  const last = [...PCI.slice(2), ...FOUR_NICS.slice(0, 1).map((nic) => ({ ...nic, numaNode: 9 }))]
  t.equal(pool(hasPort(2), last), '0000:03:00.0')
  t.throws(() => pool(hasPort(2), PCI.slice(2)), {
    mayPass: true,
    message:
      /0000:03:00.2 is taken by guest 'plc-0' \(PID 4711\), 0000:03:00.3 is in IOMMU group 13, of which/,
  })
})

t.test('one VM may have several devices of a group', async (t) => {
  const plan = planOf(device('vfio-pci,host=0000:03:00.2', 'vfio-pci,host=nic:line1'), {
    config: CONFIG,
    pci: PCI,
  })
  t.strictSame(plan.lease?.nics, ['0000:03:00.3', '0000:03:00.2'])
})

t.test('beside an IOMMU of the guest one VM has one device of a group', async (t) => {
  const iommu = ['-machine', 'q35', '-device', 'intel-iommu,caching-mode=on']
  const config = `${CONFIG}[nic.line0]\naddress = "03:00.2"\n`
  const plan = (args: string[], more: object = {}) =>
    planOf([...iommu, ...args], { config, pci: PCI, ...more })
  const two = ['vfio-pci,host=nic:line0', 'vfio-pci,host=nic:line1']
  const refused = {
    exitCode: 69,
    message:
      /^NIC 'line1' is in IOMMU group 13 with (NIC 'line0'|a vfio-pci device without id), and QEMU gives each device .* of its own beside the guest's IOMMU: 0000:03:00.3 .*; /,
  }
  t.throws(() => plan(device(...two)), refused)
  t.throws(() => plan(device(...two.map((one) => `${one},iommufd=i`)), { pci: WITH_CDEV }), refused)
  t.throws(() => plan(NAMED, { options: ['--nic', 'line0', '--nic', 'line1'] }), refused)
  t.throws(() => plan(device('vfio-pci,host=0000:03:00.2,id=h0', 'vfio-pci,host=nic:line1')), {
    exitCode: 69,
    message: /^NIC 'line1' is in IOMMU group 13 with device 'h0', and QEMU/,
  })
  t.doesNotThrow(() => planOf(device(...two), { config, pci: PCI }), 'without one')
  t.doesNotThrow(() => plan(device('vfio-pci,host=nic:line0')), 'one device')
  t.doesNotThrow(() => plan(['-machine', 'default_bus_bypass_iommu=on', ...device(...two)]), 'past the IOMMU')
  const behind = device('pcie-pci-bridge,id=b', ...two.map((one) => `${one},bus=b`))
  t.doesNotThrow(() => plan(behind), 'behind a bridge of PCI, which is one for the IOMMU')
  const rooted = device('pcie-root-port,id=b', ...two.map((one) => `${one},bus=b`))
  t.throws(() => plan(rooted), refused, 'a port of PCIe is none')
})

t.test('beside an IOMMU of the guest a pool goes on to another group', async (t) => {
  const config = '[nic.line0]\naddress = "03:00.2"\n[nic.all]\nid = "8086:1521"\npool = true\n'
  const last = [...PCI.slice(2), ...FOUR_NICS.slice(0, 1).map((nic) => ({ ...nic, numaNode: 9 }))]
  const given = (pci: typeof PCI) =>
    planOf(['-device', 'intel-iommu', ...device('vfio-pci,host=nic:line0', 'vfio-pci,host=nic:all')], {
      config,
      pci,
    }).nics.map(({ address: at }) => String(at))
  t.strictSame(given(last), ['0000:03:00.2', '0000:03:00.0'])
  t.throws(() => given(PCI.slice(2)), {
    exitCode: 69,
    message:
      /has no free device: .*0000:03:00.3 is in IOMMU group 13 with (NIC 'line0'|a vfio-pci device without id), and QEMU gives each/,
  })
})
