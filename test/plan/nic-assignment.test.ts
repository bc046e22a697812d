import t from 'tap'
import { parseMac } from '../../src/units/mac.js'
import { address, argv, FOUR_NICS, NAMED, planOf, readyNic, withNic } from './make.js'

const device = (...args: string[]) => [...NAMED, ...args.flatMap((arg) => ['-device', arg])]
const byMac = '[nic.fieldbus0]\nmac = "a0:36:9f:00:00:02"\n'

t.test('a named NIC becomes its address, in keyval and JSON, and nothing else changes', async (t) => {
  const args = device(
    'vfio-pci,host=nic:fieldbus0,id=h0,x-note=a,,b',
    '{"driver":"vfio-pci", "host":"nic:ens1f1", "bus":"pci.0"}',
  )
  const plan = planOf(args, { config: byMac, pci: FOUR_NICS })
  t.strictSame(argv(plan).slice(2), [
    '-device',
    'vfio-pci,host=0000:03:00.2,id=h0,x-note=a,,b',
    '-device',
    '{"driver":"vfio-pci", "host":"0000:03:00.1", "bus":"pci.0"}',
  ])
  t.strictSame(plan.nics, [
    { name: 'fieldbus0', device: 'h0', address: '0000:03:00.2', iommuGroup: 3002, numaNode: 0, ready: true },
    { name: 'ens1f1', device: null, address: '0000:03:00.1', iommuGroup: 3001, numaNode: 0, ready: true },
  ])
  t.equal(
    plan.changes[0]?.reason,
    "NIC 'fieldbus0' is 0000:03:00.2 (ens1f2, a0:36:9f:00:00:02, vfio-pci), IOMMU group 3002, NUMA node 0",
  )
})

t.test('each selector finds its device', async (t) => {
  const vf = (index: number, pf: string, node: number) =>
    readyNic(`0000:3b:02.${index}`, `v${index}`, `02:00:00:00:00:0${index}`, {
      virtualFunction: { pf: address(pf), index },
      numaNode: node,
      device: '154c',
    })
  const ports = withNic(0, { slot: '4', device: '10d3' }).map((nic, at) =>
    at === 3 ? { ...nic, driver: 'mlx5_vfio_pci' } : nic,
  )
  const pci = [...ports, vf(0, '03:00.3', 1), vf(1, '03:00.3', 1)]
  const cases: [string, string][] = [
    ['mac = "A0-36-9F-00-00-01"', '0000:03:00.1'],
    ['address = "03:00.2"', '0000:03:00.2'],
    ['interface = "ens1f3"', '0000:03:00.3'],
    ['interface = "ens1f3alt"', '0000:03:00.3'],
    ['id = "8086:10d3"', '0000:03:00.0'],
    ['slot = "4"', '0000:03:00.0'],
    ['pf = "ens1f3"\nvf = 1', '0000:3b:02.1'],
    ['pf = "0000:03:00.3"\nvf = 0', '0000:3b:02.0'],
    ['pf = "a0:36:9f:00:00:03"\nvf = 0', '0000:3b:02.0'],
    ['numa-node = 1\nvf = 1\npf = "ens1f3alt"', '0000:3b:02.1'],
    ['id = "8086:1521"\ninterface = "ens1f2"', '0000:03:00.2'],
  ]
  for (const [selector, expected] of cases) {
    const plan = planOf(device('vfio-pci,host=nic:x'), { config: `[nic.x]\n${selector}\n`, pci })
    t.equal(plan.nics[0]?.address, expected, selector)
  }
})

t.test('a name without configuration is an interface, an altname or a MAC of this host', async (t) => {
  for (const name of ['ens1f2', 'ens1f2alt', 'a0:36:9f:00:00:02', 'A0:36:9F:00:00:02']) {
    t.equal(
      planOf(device(`vfio-pci,host=nic:${name}`), { pci: FOUR_NICS }).nics[0]?.address,
      '0000:03:00.2',
      name,
    )
  }
})

t.test('an interface that is there now beats one that was seen before', async (t) => {
  const live = { name: 'ens1f2', altnames: [], mac: parseMac('a0:36:9f:00:00:09') }
  const pci = withNic(0, { interfaces: [live], inventory: null, driver: 'vfio-pci' })
  t.equal(planOf(device('vfio-pci,host=nic:ens1f2'), { pci }).nics[0]?.address, '0000:03:00.0')
})

t.test('--nic adds a device with the properties given', async (t) => {
  const options = ['--nic', 'fieldbus0,id=line0,bus=pci.1,x=a,,b', '--nic', 'ens1f0']
  const plan = planOf(NAMED, { options, config: byMac, pci: FOUR_NICS })
  t.strictSame(argv(plan).slice(2), [
    '-device',
    'vfio-pci,host=0000:03:00.2,id=line0,bus=pci.1,x=a,,b',
    '-device',
    'vfio-pci,host=0000:03:00.0',
  ])
  t.strictSame(
    plan.nics.map((nic) => nic.device),
    ['line0', null],
  )
})

t.test('--rt-nic in the command line does the same and is taken out', async (t) => {
  const plan = planOf(['--rt-nic', 'fieldbus0,id=l', ...NAMED, '-rt-nic=ens1f0'], {
    config: byMac,
    pci: FOUR_NICS,
  })
  t.strictSame(argv(plan), [
    ...NAMED,
    '-device',
    'vfio-pci,host=0000:03:00.2,id=l',
    '-device',
    'vfio-pci,host=0000:03:00.0',
  ])
})

const domain = (nics: string) =>
  `${byMac}[nic.line]\nid = "8086:1521"\npool = true\n[[domain]]\nname = "v*"\nnics = ${nics}\n`

t.test("a domain's list adds devices, and is content with one that is there", async (t) => {
  const config = domain('["fieldbus0", "line", "line"]')
  const first = planOf(NAMED, { config, pci: FOUR_NICS })
  t.strictSame(
    first.nics.map((nic) => nic.address),
    ['0000:03:00.2', '0000:03:00.0', '0000:03:00.1'],
  )
  const again = planOf(argv(first), { config, pci: FOUR_NICS })
  t.strictSame(again.changes, [])
  t.strictSame(argv(again), argv(first))
})

t.test("a domain's table puts NICs in the devices that libvirt chose", async (t) => {
  const config = domain('{ hostdev0 = "fieldbus0", hostdev1 = "line" }')
  const args = device(
    '{"driver":"vfio-pci","host":"0000:03:00.0","id":"hostdev0"}',
    'vfio-pci,sysfsdev=/sys/bus/mdev/devices/x,id=hostdev1',
  )
  const first = planOf(args, { config, pci: FOUR_NICS })
  t.strictSame(argv(first).slice(2), [
    '-device',
    '{"driver":"vfio-pci","host":"0000:03:00.2","id":"hostdev0"}',
    '-device',
    'vfio-pci,id=hostdev1,host=0000:03:00.0',
  ])
  t.strictSame(planOf(argv(first), { config, pci: FOUR_NICS }).changes, [])
})

t.test('of devices that libvirt has opened by /dev/iommu the named one alone gives way', async (t) => {
  const pci = withNic(2, { cdev: { path: '/dev/vfio/devices/vfio2', access: 'ok' } })
  const args = device(
    '{"driver":"vfio-pci","id":"hostdev0","fd":"31","iommufd":"iommufd0","bus":"pci.1"}',
    '{"driver":"vfio-pci","id":"hostdev1","fd":"32","iommufd":"iommufd0","bus":"pci.2"}',
  )
  t.strictSame(argv(planOf(args, { config: domain('{ hostdev0 = "fieldbus0" }'), pci })).slice(2), [
    ...[
      '-device',
      '{"driver":"vfio-pci","id":"hostdev0","iommufd":"iommufd0","bus":"pci.1","host":"0000:03:00.2"}',
    ],
    ...args.slice(-2),
  ])
  const named = device('vfio-pci,host=nic:fieldbus0,iommufd=iommufd0')
  t.match(argv(planOf(named, { config: byMac, pci })).at(-1), /host=0000:03:00.2,iommufd=iommufd0/)
})

t.test('a pool gives the first free device by NUMA node, and of equal ones by address', async (t) => {
  const pci = [
    ...withNic(0, { numaNode: 1 }).map((nic, at) => (at === 1 ? { ...nic, numaNode: null } : nic)),
    readyNic('0000:af:00.0', 'far', '02:00:00:00:00:01'),
  ]
  const config = '[nic.line]\nid = "8086:1521"\npool = true\n'
  const args = device(...Array.from({ length: 5 }, () => 'vfio-pci,host=nic:line'))
  t.strictSame(
    planOf(args, { config, pci }).nics.map((nic) => nic.address),
    ['0000:03:00.2', '0000:03:00.3', '0000:af:00.0', '0000:03:00.0', '0000:03:00.1'],
  )
})

t.test('a pool takes what no other name means, while there is such a device on the node', async (t) => {
  const pool = '[nic.line]\nid = "8086:1521"\npool = true\n'
  const named = '[nic.first]\nmac = "a0:36:9f:00:00:00"\n'
  const places = (config: string, count: number, pci = FOUR_NICS) =>
    planOf(device(...Array.from({ length: count }, () => 'vfio-pci,host=nic:line')), {
      config,
      pci,
    }).nics.map(({ address: at }) => at.slice(-1))
  t.strictSame(places(pool + named + byMac, 4), ['1', '3', '0', '2'])
  t.strictSame(places(`${pool}[nic.other]\nid = "8086:1521"\npool = true\n`, 2), ['0', '1'], 'by a pool')
  t.strictSame(places(`${pool}[nic.other]\nmac = "02:00:00:00:00:99"\n`, 1), ['0'], 'it is not there')
  const far = withNic(0, { numaNode: 0 }).map((nic, at) => (at === 0 ? nic : { ...nic, numaNode: 1 }))
  t.strictSame(places(pool + named, 2, far), ['0', '1'], 'the node goes before')
})

t.test('a pool leaves alone what the command line has, and what another name means', async (t) => {
  const config = `${byMac}[nic.line]\nid = "8086:1521"\npool = true\n`
  const args = device('vfio-pci,host=nic:line', 'vfio-pci,host=03:00.0', 'vfio-pci,host=nic:ens1f1')
  t.equal(planOf(args, { config, pci: FOUR_NICS }).nics[0]?.address, '0000:03:00.3')
})

t.test('devices that are not ready are passed over by a pool', async (t) => {
  const config = '[nic.line]\nid = "8086:1521"\npool = true\n'
  const pci = withNic(0, { driver: 'igb' })
  t.equal(planOf(device('vfio-pci,host=nic:line'), { config, pci }).nics[0]?.address, '0000:03:00.1')
})

t.test('the host is not looked at when nobody asks for a NIC', async (t) => {
  t.strictSame(planOf(device('vfio-pci,host=0000:99:00.0')).nics, [])
})

const harmless = readyNic('0000:00:01.0', 'none', '02:00:00:00:00:01', {
  driver: 'pcieport',
  classCode: 0x060400,
  iommuGroup: 3002,
  inventory: null,
})
const foreign = { ...harmless, address: address('0000:04:00.0'), driver: 'xhci_hcd', classCode: 0x0c0330 }

t.test('a bridge or an unbound device in the group does no harm', async (t) => {
  const pci = [...FOUR_NICS, harmless, { ...harmless, address: address('0000:05:00.0'), driver: null }]
  t.equal(planOf(device('vfio-pci,host=nic:ens1f2'), { pci }).nics[0]?.address, '0000:03:00.2')
})

t.test('errors say what was looked at and what mends it', async (t) => {
  const looked =
    'looked at 0000:03:00.0 (ens1f0, a0:36:9f:00:00:00, vfio-pci), 0000:03:00.1 (ens1f1, a0:36:9f:00:00:01, vfio-pci), ' +
    '0000:03:00.2 (ens1f2, a0:36:9f:00:00:02, vfio-pci), 0000:03:00.3 (ens1f3, a0:36:9f:00:00:03, vfio-pci)'
  const named = device('vfio-pci,host=nic:fieldbus0')
  const cases: [string, Parameters<typeof planOf>, number, string][] = [
    [
      'unknown',
      [device('vfio-pci,host=nic:fieldbos0'), { config: byMac, pci: FOUR_NICS }],
      69,
      `NIC 'fieldbos0' is neither configured nor an interface, altname or MAC on this host: ${looked}; did you mean 'fieldbus0'? Otherwise write [nic.fieldbos0] in qemu-rt.toml, or see 'qemu-rt nics list'`,
    ],
    [
      'an address that no device has',
      [device('vfio-pci,host=nic:0000:03:01.7'), { pci: FOUR_NICS }],
      69,
      `NIC '0000:03:01.7' is neither configured nor an interface, altname or MAC on this host: ${looked}; see 'qemu-rt nics list'`,
    ],
    [
      'the address of a NIC',
      [device('vfio-pci,host=nic:0000:03:00.1'), { pci: FOUR_NICS }],
      69,
      `NIC '0000:03:00.1' is neither configured nor an interface, altname or MAC on this host: ${looked}; write [nic.NAME] with address = "0000:03:00.1" in qemu-rt.toml, or see 'qemu-rt nics list'`,
    ],
    [
      'a MAC that no NIC has',
      [device('vfio-pci,host=nic:02:00:00:00:00:99'), { pci: FOUR_NICS }],
      69,
      `NIC '02:00:00:00:00:99' is neither configured nor an interface, altname or MAC on this host: ${looked}; see 'qemu-rt nics list'`,
    ],
    [
      'a name that TOML quotes',
      [device('vfio-pci,host=nic:field bus'), { pci: FOUR_NICS }],
      69,
      `NIC 'field bus' is neither configured nor an interface, altname or MAC on this host: ${looked}; write [nic."field bus"] in qemu-rt.toml, or see 'qemu-rt nics list'`,
    ],
    [
      'a name that is not UTF-8, which no TOML has',
      [device('vfio-pci,host=nic:\udcff\udcfe'), { pci: FOUR_NICS }],
      69,
      `NIC '\\u{dcff}\\u{dcfe}' is neither configured nor an interface, altname or MAC on this host: ${looked}; see 'qemu-rt nics list'`,
    ],
    [
      'no match',
      [named, { config: '[nic.fieldbus0]\nmac = "02:00:00:00:00:99"\n', pci: FOUR_NICS }],
      69,
      `NIC 'fieldbus0' (mac 02:00:00:00:00:99) matches no device of this host: no NIC has mac 02:00:00:00:00:99; correct the selectors under [nic.fieldbus0] (qemu-rt.toml:1)`,
    ],
    [
      'no match while a device has no saved MAC',
      [named, { config: byMac, pci: withNic(2, { inventory: null }).slice(2, 3) }],
      69,
      "NIC 'fieldbus0' (mac a0:36:9f:00:00:02) matches no device of this host: no NIC has mac a0:36:9f:00:00:02; of 1 on vfio-pci no name or MAC was saved, see qemu-rt nics list; correct the selectors under [nic.fieldbus0] (qemu-rt.toml:1)",
    ],
    [
      'ambiguous',
      [named, { config: '\n[nic.fieldbus0]\nid = "8086:1521"\n', pci: FOUR_NICS.slice(0, 2) }],
      69,
      "NIC 'fieldbus0' (id 8086:1521) matches 2 devices: 0000:03:00.0 (ens1f0, a0:36:9f:00:00:00, vfio-pci), 0000:03:00.1 (ens1f1, a0:36:9f:00:00:01, vfio-pci); add mac or address under [nic.fieldbus0], or pool = true if any of them will do (qemu-rt.toml:2)",
    ],
    [
      'twice by name',
      [
        device('vfio-pci,host=nic:fieldbus0,id=a', 'vfio-pci,host=nic:ens1f2,id=b'),
        { config: byMac, pci: FOUR_NICS },
      ],
      69,
      "NIC 'ens1f2' is 0000:03:00.2 (ens1f2, a0:36:9f:00:00:02, vfio-pci), which this command line has already: device 'a'; remove one of the two",
    ],
    [
      'twice by address',
      [
        device('vfio-pci,host=nic:fieldbus0', 'vfio-pci,host=03:00.2,id=b'),
        { config: byMac, pci: FOUR_NICS },
      ],
      69,
      "NIC 'fieldbus0' is 0000:03:00.2 (ens1f2, a0:36:9f:00:00:02, vfio-pci), which this command line has already: device 'b'; remove one of the two",
    ],
    [
      'kernel driver',
      [
        named,
        {
          config: byMac,
          pci: withNic(2, {
            driver: 'igb',
            inventory: null,
            interfaces: [{ name: 'ens1f2', altnames: [], mac: parseMac('a0:36:9f:00:00:02') }],
          }),
        },
      ],
      69,
      "NIC 'fieldbus0' is not ready: 0000:03:00.2 is bound to igb (ens1f2), not to vfio-pci; run as root: qemu-rt nics bind 0000:03:00.2",
    ],
    [
      'no IOMMU',
      [named, { config: byMac, pci: withNic(2, { iommuGroup: null, vfioNode: null }) }],
      69,
      "NIC 'fieldbus0' is not ready: 0000:03:00.2 is in no IOMMU group; turn on VT-d or AMD-Vi in the firmware and boot with intel_iommu=on (Intel) iommu=pt",
    ],
    [
      'foreign device in the group',
      [named, { config: byMac, pci: [...FOUR_NICS, foreign] }],
      69,
      "NIC 'fieldbus0' is not ready: IOMMU group 3002 of 0000:03:00.2 also holds 0000:04:00.0 (xhci_hcd); move the card to a slot of its own, or give the whole group away: qemu-rt nics bind 0000:04:00.0",
    ],
    [
      'node missing',
      [named, { config: byMac, pci: withNic(2, { vfioNode: { path: '/dev/vfio/12', access: 'missing' } }) }],
      69,
      'NIC \'fieldbus0\' is not ready: /dev/vfio/12 of 0000:03:00.2 is missing; run as root: modprobe vfio-pci && qemu-rt nics bind 0000:03:00.2; if it is there on the host, libvirt hides it: add "/dev/vfio/vfio" and "/dev/vfio/12" to cgroup_device_acl in /etc/libvirt/qemu.conf',
    ],
    [
      'node denied',
      [named, { config: byMac, pci: withNic(2, { vfioNode: { path: '/dev/vfio/12', access: 'denied' } }) }],
      77,
      "NIC 'fieldbus0' is not ready: /dev/vfio/12 of 0000:03:00.2 cannot be opened by this user; run as root: chown USER /dev/vfio/12 (libvirt's QEMU user is libvirt-qemu or qemu)",
    ],
    [
      'pool exhausted',
      [
        device('vfio-pci,host=nic:line', 'vfio-pci,host=03:00.0,id=a'),
        {
          config: '[nic.line]\nid = "8086:1521"\npool = true\n',
          pci: withNic(1, { driver: 'igb' }).slice(0, 2),
        },
      ],
      69,
      "NIC pool 'line' has no free device: 0000:03:00.0 is taken by device 'a', 0000:03:00.1 is bound to igb, not to vfio-pci; bind another one to vfio-pci, or widen the pool (qemu-rt.toml:1)",
    ],
    [
      'replaced device missing',
      [
        device('vfio-pci,host=03:00.0,id=hostdev0'),
        { config: domain('{ hostdev9 = "fieldbus0" }'), pci: FOUR_NICS },
      ],
      78,
      "no vfio-pci device with id 'hostdev9' to put NIC 'fieldbus0' in: qemu-rt.toml:8; name one that is there (hostdev0), or write nics = [\"fieldbus0\"] to add it",
    ],
    [
      'no name',
      [device('vfio-pci,host=nic:,id=a'), { pci: FOUR_NICS }],
      65,
      "NIC request 'host=nic:' does not parse: a name is missing; write NAME or NAME,key=value,…",
    ],
    [
      'malformed --nic',
      [NAMED, { options: ['--nic', 'a,=b'], pci: FOUR_NICS }],
      65,
      "NIC request 'a,=b' does not parse: a key is missing before '=b'; write NAME or NAME,key=value,…",
    ],
  ]
  for (const [name, [args, given], exitCode, message] of cases) {
    t.throws(() => planOf(args, given), { message, exitCode }, name)
  }
})

t.test('no device is given twice, also where the command line has one of the wanted already', async (t) => {
  const config = (nics: string) =>
    `[nic.any]\nid = "8086:1521"\npool = true\n${byMac}[[domain]]\nname = "vm"\nnics = ${nics}\n`
  const args = device('vfio-pci,host=0000:03:00.0,id=h0', 'vfio-pci,host=0000:03:00.2,id=h1')
  const hosts = (nics: string) =>
    argv(planOf(args, { config: config(nics), pci: FOUR_NICS })).filter((word) => word.startsWith('vfio-pci'))
  t.strictSame(hosts('{ h0 = "fieldbus0", h1 = "any" }'), [
    'vfio-pci,host=0000:03:00.2,id=h0',
    'vfio-pci,host=0000:03:00.0,id=h1',
  ])
  t.throws(() => hosts('{ h0 = "fieldbus0", h1 = "fieldbus0" }'), {
    exitCode: 69,
    message: /^NIC 'fieldbus0' is 0000:03:00\.2 .*which this command line has already: device 'h0'/,
  })
})

t.test('a device that is named by sysfsdev has its address', async (t) => {
  const args = device('vfio-pci,sysfsdev=/sys/bus/pci/devices/0000:03:00.2,id=h0')
  t.throws(() => planOf(args, { config: byMac, pci: FOUR_NICS, options: ['--nic', 'fieldbus0'] }), {
    exitCode: 69,
    message: /which this command line has already: device 'h0'/,
  })
})

t.test("an entry of a domain's list is content with what --nic or host=nic: gives", async (t) => {
  const pool = '[nic.any]\nid = "8086:1521"\npool = true\n'
  const config = `${pool}${byMac}[[domain]]\nname = "vm"\nnics = ["fieldbus0", "any"]\n`
  const count = (args: string[], options: string[]) =>
    planOf(args, { config, pci: FOUR_NICS, options }).nics.map(({ name, address }) => `${name} ${address}`)
  t.strictSame(count(NAMED, ['--nic', 'fieldbus0']), ['fieldbus0 0000:03:00.2', 'any 0000:03:00.0'])
  t.strictSame(count(device('vfio-pci,host=nic:fieldbus0'), []), [
    'fieldbus0 0000:03:00.2',
    'any 0000:03:00.0',
  ])
  t.strictSame(count(NAMED, ['--nic', 'any']), ['any 0000:03:00.0', 'fieldbus0 0000:03:00.2'])
})

t.test('of pools that overlap the smaller one chooses first', async (t) => {
  const config = '[nic.any]\nid = "8086:1521"\npool = true\n[nic.low]\naddress = "03:00.0"\npool = true\n'
  const { nics } = planOf(NAMED, { config, pci: FOUR_NICS, options: ['--nic', 'any', '--nic', 'low'] })
  t.strictSame(
    nics.map(({ name, address: at }) => `${name} ${at}`),
    ['any 0000:03:00.1', 'low 0000:03:00.0'],
  )
})

t.test('what a name stands for cannot be said again after it', async (t) => {
  for (const key of ['host=0000:03:00.0', 'driver=e1000', 'sysfsdev=/x']) {
    t.throws(() => planOf(NAMED, { pci: FOUR_NICS, options: ['--nic', `ens1f0,${key}`] }), {
      exitCode: 65,
      message: `NIC request 'ens1f0,${key}' does not parse: '${key.split('=')[0]}' is what the name stands for; leave it out; write NAME or NAME,key=value,…`,
    })
  }
})

t.test('an added NIC has a slot that no address of the command line has', async (t) => {
  const added = (...devices: string[]) => {
    const plan = planOf(device(...devices), {
      options: ['--nic', 'fieldbus0', '--nic', 'ens1f1'],
      config: byMac,
      pci: FOUR_NICS,
    })
    return argv(plan)
      .filter((word) => word.startsWith('vfio-pci,'))
      .map((word) => word.replace(/vfio-pci,host=[0-9a-f:.]*/, ''))
  }
  t.strictSame(added('virtio-rng-pci'), ['', ''], 'QEMU chooses where nothing has an address')
  t.strictSame(added('{"driver":"virtio-rng-pci","bus":"pci.0","addr":"0x2"}'), [',addr=0x1e', ',addr=0x1d'])
  t.strictSame(added('pcie-root-port,bus=pcie.0,addr=0x1.0x3', 'pci-bridge,id=pci.1,bus=pcie.0,addr=1e.0'), [
    ',addr=0x1d',
    ',addr=0x1c',
  ])
  t.strictSame(
    added('{"driver":"virtio-rng-pci","addr":240}', 'virtio-rng-pci,addr=0x1d'),
    [',addr=0x1c', ',addr=0x1b'],
    'a number in JSON is a slot and its function',
  )
  t.strictSame(added('virtio-rng-pci,bus=pci.1,addr=0x2'), ['', ''], 'behind a bridge is another bus')
  const all = Array.from({ length: 29 }, (_, index) => `virtio-rng-pci,addr=0x${(index + 2).toString(16)}`)
  t.strictSame(added(...all), ['', ''], 'none is free: QEMU says so')
})

t.test('an added NIC leaves the slots of q35 and of -nic alone, and is on the root bus', async (t) => {
  const added = (...args: string[]) =>
    argv(
      planOf([...NAMED, ...args, '-device', 'virtio-rng-pci,addr=0x1e'], {
        options: ['--nic', 'fieldbus0'],
        config: byMac,
        pci: FOUR_NICS,
      }),
    ).at(-1)
  const nic = 'vfio-pci,host=0000:03:00.2'
  t.equal(added('-M', 'q35'), `${nic},addr=0x1d`)
  t.equal(added('-M', 'q35', '-usb'), `${nic},addr=0x1c`)
  t.equal(added('-M', 'q35,usb=on'), `${nic},addr=0x1c`)
  t.equal(added('-M', 'pc', '-usb'), `${nic},addr=0x1d`)
  t.equal(added('-net', 'nic,model=e1000,addr=1d'), `${nic},addr=0x1c`)
  t.equal(added('-nic', 'user,addr=0x1d'), `${nic},addr=0x1c`)
  t.equal(added('-M', 'q35', '-device', 'pxb-pcie,id=x,bus_nr=128'), `${nic},bus=pcie.0,addr=0x1d`)
  t.equal(added('-device', 'pxb,id=x,bus_nr=128'), `${nic},bus=pci.0,addr=0x1d`)
})

t.test('a NIC is made after what it is behind: the IOMMU of the guest, or a bridge, in JSON', async (t) => {
  const iommu = '{"driver":"intel-iommu","id":"iommu0"}'
  const port = '{"driver":"pcie-root-port","id":"pci.5","bus":"pcie.0","addr":"0x2"}'
  const planned = (options: string[], ...devices: string[]) =>
    planOf(['-M', 'q35', ...device(...devices)], { options, config: byMac, pci: FOUR_NICS })
  const added = (request: string, ...devices: string[]) =>
    argv(planned(['--nic', request], ...devices)).at(-1)
  const json = (properties: object) =>
    JSON.stringify({ driver: 'vfio-pci', host: '0000:03:00.2', ...properties })
  t.equal(added('fieldbus0', iommu), json({}))
  t.equal(added('fieldbus0', iommu, port), json({ addr: '0x1e' }))
  t.equal(added('fieldbus0,bus=pci.5,addr=0x0', port), json({ bus: 'pci.5', addr: '0x0' }))
  t.equal(
    added(
      'fieldbus0,bootindex=2,x-pci-vendor-id=0x8086,x-no-mmap=on,rombar=0,romfile=1,display=off,x-new=on',
      iommu,
    ),
    json({
      ...{ bootindex: 2, 'x-pci-vendor-id': 0x8086, 'x-no-mmap': true, rombar: 0 },
      ...{ romfile: '1', display: 'off', 'x-new': 'on' },
    }),
    'numbers and switches have their types',
  )
  t.equal(added('fieldbus0', 'intel-iommu', port), 'vfio-pci,host=0000:03:00.2,addr=0x1e', 'made before it')
  const named = planned([], iommu, 'vfio-pci,host=nic:fieldbus0,id=n')
  t.equal(argv(named).at(-1), json({ id: 'n' }), 'one of the command line, too')
  t.match(named.changes[0]?.reason, /; in JSON, since QEMU would make it before the IOMMU or the bridge/)
})

t.test('a PCI domain above ffff, which QEMU does not take as host, is named by its directory', async (t) => {
  const pci = [readyNic('10000:01:00.0', 'ens9', 'a0:36:9f:00:00:09')]
  const plan = planOf(device('vfio-pci,host=nic:ens9,id=n'), { pci })
  t.equal(argv(plan).at(-1), 'vfio-pci,id=n,sysfsdev=/sys/bus/pci/devices/10000:01:00.0')
  const added = planOf(NAMED, { pci, options: ['--nic', 'ens9,addr=0x7'] })
  t.equal(argv(added).at(-1), 'vfio-pci,sysfsdev=/sys/bus/pci/devices/10000:01:00.0,addr=0x7')
  t.equal(added.nics[0]?.address, '10000:01:00.0')
})

t.test('where an added NIC is asked for with a place of its own, it has that', async (t) => {
  const plan = planOf(device('{"driver":"virtio-rng-pci","bus":"pci.0","addr":"0x2"}'), {
    options: ['--nic', 'fieldbus0,bus=pci.1', '--nic', 'ens1f1,addr=0x7'],
    config: byMac,
    pci: FOUR_NICS,
  })
  t.strictSame(
    argv(plan).filter((word) => word.startsWith('vfio-pci,')),
    ['vfio-pci,host=0000:03:00.2,bus=pci.1', 'vfio-pci,host=0000:03:00.1,addr=0x7'],
  )
})

t.test(
  'a named NIC without an address gets a free slot where QEMU would give it that of another device',
  async (t) => {
    const port = '{"driver":"pcie-root-port","id":"pci.1","bus":"pcie.0","addr":"0x1"}'
    const second = '{"driver":"virtio-rng-pci","bus":"pcie.0","addr":"0x2"}'
    const placed = (machine: string[], ...devices: string[]) => {
      const plan = planOf([...machine, ...device(...devices)], { config: byMac, pci: FOUR_NICS })
      return argv(plan)
        .filter((word) => word.includes('vfio-pci'))
        .map((word) => word.replace(/0000:03:00\.[0-3]/, 'NIC'))
    }
    const q35 = ['-M', 'q35', '-nodefaults']
    const named = 'vfio-pci,host=nic:fieldbus0'
    const other = 'vfio-pci,host=nic:ens1f1,id=n'
    t.strictSame(placed(q35, port, named), ['vfio-pci,host=NIC,addr=0x1e'])
    t.strictSame(placed(q35, port, second, named, other), [
      'vfio-pci,host=NIC,addr=0x1e',
      'vfio-pci,host=NIC,id=n,addr=0x1d',
    ])
    t.strictSame(placed(q35, second, named), ['vfio-pci,host=NIC'], 'slot 1 is free')
    t.strictSame(
      placed(q35, second, named, other),
      ['vfio-pci,host=NIC', 'vfio-pci,host=NIC,id=n,addr=0x1e'],
      'but for one only',
    )
    t.strictSame(placed(['-M', 'pc', '-nodefaults'], second, named), ['vfio-pci,host=NIC,addr=0x1e'])
    t.strictSame(placed(['-M', 'q35'], second, named), ['vfio-pci,host=NIC,addr=0x1e'], 'VGA has slot 1')
    t.strictSame(placed(q35, 'virtio-rng-pci,addr=0x1', named), ['vfio-pci,host=NIC'], 'made before it')
    t.strictSame(placed(q35, named, 'virtio-rng-pci,addr=0x1'), ['vfio-pci,host=NIC,addr=0x1e'], 'after it')
    t.strictSame(placed(q35, port, `${named},bus=pcie.0`), ['vfio-pci,host=NIC,bus=pcie.0,addr=0x1e'])
    t.strictSame(
      placed(q35, 'pcie-root-port,id=pci.1,addr=1', second, `${named},bus=pci.1`),
      ['vfio-pci,host=NIC,bus=pci.1'],
      'a bridge in keyval is made before it',
    )
    t.strictSame(placed(q35, port, `${named},addr=0x7`), ['vfio-pci,host=NIC,addr=0x7'])
    const json = '{"driver":"vfio-pci","host":"nic:fieldbus0"}'
    t.strictSame(placed(q35, port, json), ['{"driver":"vfio-pci","host":"NIC"}'], 'JSON goes by order')
    t.strictSame(placed(q35, json, port), ['{"driver":"vfio-pci","host":"NIC","addr":"0x1e"}'])
    t.strictSame(placed(q35, named), ['vfio-pci,host=NIC'])
  },
)
