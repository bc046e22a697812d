import t from 'tap'
import { address, argv, FOUR_NICS, NAMED, planOf, withNic } from './make.js'

const device = (...args: string[]) => [...NAMED, ...args.flatMap((arg) => ['-device', arg])]
const byMac = '[nic.fieldbus0]\nmac = "a0:36:9f:00:00:02"\n'
const domain = (nics: string) =>
  `${byMac}[nic.line]\nid = "8086:1521"\npool = true\n[[domain]]\nname = "v*"\nnics = ${nics}\n`
const REPLACE = domain('{ hostdev0 = "fieldbus0" }')
const IOMMUFD = ['-object', 'iommufd,id=iommufd0,fd=26']
const PASSED = '{"driver":"vfio-pci","id":"hostdev0","iommufd":"iommufd0","fd":"27","bus":"pci.0"}'
const cdev = (access: 'ok' | 'denied') => ({ path: '/dev/vfio/devices/vfio2', access })

t.test(
  'a NIC takes the place of a device that libvirt passes open, and nothing of that one is left',
  async (t) => {
    const pci = withNic(2, { cdev: cdev('ok') })
    const plan = planOf([...IOMMUFD, ...device(PASSED)], { config: REPLACE, pci })
    t.equal(
      argv(plan).at(-1),
      '{"driver":"vfio-pci","id":"hostdev0","iommufd":"iommufd0","bus":"pci.0","host":"0000:03:00.2"}',
    )
    t.strictSame(plan.lease?.nics, ['0000:03:00.2'])
    const token = planOf(device('vfio-pci,sysfsdev=/x,vf-token=1,id=hostdev0'), { config: REPLACE, pci })
    t.equal(argv(token).at(-1), 'vfio-pci,id=hostdev0,host=0000:03:00.2', 'a token is the old device’s')
    const named = planOf(device('vfio-pci,host=nic:fieldbus0,vf-token=1,fd=27'), { config: byMac, pci })
    t.equal(argv(named).at(-1), 'vfio-pci,host=0000:03:00.2,vf-token=1', 'a token beside a name is for it')
  },
)

t.test(
  'where QEMU cannot open the NIC in that place, the passed device stays and the plan is refused',
  async (t) => {
    const plan = (pci: typeof FOUR_NICS) => planOf([...IOMMUFD, ...device(PASSED)], { config: REPLACE, pci })
    t.throws(() => plan(FOUR_NICS), {
      exitCode: 69,
      message:
        /^NIC 'fieldbus0' cannot take the place of device 'hostdev0', which was opened before QEMU starts \(fd=27\): 0000:03:00.2 has no node in \/dev\/vfio\/devices/,
    })
    t.throws(() => plan(withNic(2, { cdev: cdev('denied') })), {
      exitCode: 77,
      message: /vfio2 of 0000:03:00.2/,
    })
  },
)

t.test('a passed device is the one that its descriptor is of', async (t) => {
  const passed = { 27: address('0000:03:00.2') }
  const listed = domain('["fieldbus0"]')
  const args = device(PASSED)
  const same = planOf(args, { config: listed, pci: FOUR_NICS, passed })
  t.strictSame(same.changes, [], 'a list is content with it')
  t.match(same.nics, [{ device: 'hostdev0', address: '0000:03:00.2', ready: true }])
  t.strictSame(planOf(args, { config: REPLACE, pci: FOUR_NICS, passed }).changes, [], 'as a replacement')
  t.throws(() => planOf(args, { config: byMac, pci: FOUR_NICS, passed, options: ['--nic', 'fieldbus0'] }), {
    message: /which this command line has already: device 'hostdev0'/,
  })
  t.strictSame(planOf(args, { pci: FOUR_NICS, passed }).lease?.nics, ['0000:03:00.2'])
})

t.test(
  'a passed device that nobody can look at may be any: a captured host says so, a launch is refused',
  async (t) => {
    const given = { config: domain('["fieldbus0"]'), pci: FOUR_NICS }
    t.strictSame(planOf(device(PASSED), given).warnings, [
      {
        id: 'plan.other-device',
        level: 'warn',
        kind: 'other-device',
        what: "device 'hostdev0' is passed open (fd=27), and which device it is is unknown here: it may be a NIC that is given besides",
      },
    ])
    t.throws(() => planOf(device(PASSED), { ...given, passed: {} }), {
      exitCode: 69,
      message: /^the device behind the command line's device 'hostdev0' is unknown/,
    })
    t.doesNotThrow(
      () => planOf(device(PASSED), { ...given, passed: { 27: null } }),
      'a mediated device is no NIC',
    )
    t.doesNotThrow(() => planOf(device(PASSED), { passed: {} }), 'nothing is given besides')
  },
)

t.test('QEMU looks at sysfsdev before host, and so does the plan', async (t) => {
  const args = device('vfio-pci,host=0000:03:00.1,sysfsdev=/sys/devices/pci0000:00/0000:03:00.2/,id=h0')
  t.strictSame(planOf(args, { pci: FOUR_NICS }).lease?.nics, ['0000:03:00.2'])
})

t.test('a literal address has a lease, and another VM’s is refused', async (t) => {
  const args = device('vfio-pci,host=03:00.2,id=h0', 'vfio-pci,sysfsdev=/sys/bus/mdev/devices/x')
  t.strictSame(planOf(args, { pci: FOUR_NICS }).lease, { nics: ['0000:03:00.2'], cpus: [] })
  const held = [{ guest: 'plc-0', pid: 4711, nics: [address('0000:03:00.2')], cpus: [] }]
  t.throws(() => planOf(args, { pci: FOUR_NICS, held }), {
    exitCode: 69,
    mayPass: true,
    message: /^device 'h0' is held by guest 'plc-0' \(PID 4711\): 0000:03:00.2 \(/,
  })
  t.strictSame(planOf(NAMED, { pci: FOUR_NICS }).lease, null)
})

t.test('host= is read as QEMU reads it, and no other way', async (t) => {
  const leased = (host: string) => planOf(device(`vfio-pci,host=${host}`), { pci: FOUR_NICS }).lease?.nics
  for (const host of [
    '0x03:00.2',
    '+3:00.2',
    ' 3:00.2',
    '000003:00.2',
    '03:00.02',
    '0x0:03:0x0.2',
    '0:3:0.+2',
  ])
    t.strictSame(leased(host), ['0000:03:00.2'], host)
  for (const host of ['03:00.0x2', '03:00.2 ', '03:00', '10003:00.2', '0x:03:00.2', 'x/0000:03:00.2'])
    t.equal(leased(host), undefined, host)
})
