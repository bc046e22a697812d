import t from 'tap'
import { address, FOUR_NICS, NAMED, planOf } from './make.js'

/** Ports 2 and 3 in one group, and port 0 and 1 in groups of their own. */
const PCI = FOUR_NICS.map((nic, at) =>
  at < 2 ? nic : { ...nic, iommuGroup: 13, vfioNode: { path: '/dev/vfio/13', access: 'ok' as const } },
)
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
