import t from 'tap'
import type { InventoryEntry, PciDevice } from '../../src/host/facts.js'
import { checkInventory, mergeInventory } from '../../src/host/inventory.js'
import type { Whereabouts } from '../../src/host/whereabouts.js'
import { type MacAddress, parseMac } from '../../src/units/mac.js'
import { type PciAddress, parsePciAddress } from '../../src/units/pci-address.js'

const address = (text: string): PciAddress => parsePciAddress(text) ?? (t.fail(text) as never)
const mac = (text: string): MacAddress => parseMac(text) ?? (t.fail(text) as never)
const nic = (name: string, text: string, altnames: readonly string[] = []) => ({
  name,
  altnames,
  mac: mac(text),
})

const CARD = 'a0-36-9f-ff-ff-12-34-54'
const OTHER_CARD = '00-1b-21-ff-ff-77-88-99'

const BOOT = '0b7d8b52-6f0e-4d0b-9a3e-2f4ad0a52a01'
const NEXT_BOOT = 'c2f1a9d4-52f4-4b0e-8a6f-6a0d7f9f1e02'

/** This boot, on a host on which the root port of each bus n is 0000:00:0n.0 unless it is said otherwise. */
function here(ports: Readonly<Record<string, string>> = {}, bootId: string | null = BOOT): Whereabouts {
  return { bootId, bridgesOf: (at) => `pci0000:00/${ports[at.slice(5, 7)] ?? '0000:00:01.0'}` }
}

function device(at: string, facts: Partial<PciDevice> = {}): PciDevice {
  return {
    address: address(at),
    vendor: '8086',
    device: '1521',
    subsystemVendor: '8086',
    subsystemDevice: '0001',
    classCode: 0x020000,
    driver: 'vfio-pci',
    iommuGroup: 13,
    numaNode: 0,
    interfaces: [],
    inventory: null,
    virtualFunction: null,
    sriov: null,
    slot: null,
    serial: null,
    vfioNode: null,
    ...facts,
  }
}

function saved(at: string, facts: Partial<InventoryEntry> = {}): InventoryEntry {
  return {
    address: address(at),
    vendor: '8086',
    device: '1521',
    subsystemVendor: '8086',
    subsystemDevice: '0001',
    serial: CARD,
    bootId: BOOT,
    bridges: 'pci0000:00/0000:00:01.0',
    interfaces: [nic('ens1f2', 'a0:36:9f:12:34:56')],
    ...facts,
  }
}

const SCAN = 'run as root: qemu-rt nics scan'
const SCAN_DRIVEN = 'run as root, when a kernel driver has the card: qemu-rt nics scan'

t.test('an entry holds while the same card is at its address', async (t) => {
  const entry = saved('03:00.2')
  const fits = (now: PciDevice) => [...checkInventory([entry], [now], here()).fitting.values()]
  t.strictSame(fits(device('03:00.2', { serial: CARD })), [entry])
  t.strictSame(fits(device('03:00.2')), [entry], 'only root can read serial numbers')
})

t.test('an entry that holds no longer is ignored, and a warning says what has changed', async (t) => {
  const cases: [string, PciDevice[], string][] = [
    ['the card is gone', [device('04:00.0')], 'is no longer there'],
    [
      'it moved, and its serial number says so',
      [device('04:00.2', { serial: CARD })],
      'has moved to 0000:04:00.2',
    ],
    [
      'it moved, and its MAC says so',
      [device('04:00.2', { driver: 'igb', interfaces: [nic('ens4f2', 'a0:36:9f:12:34:56')] })],
      'has moved to 0000:04:00.2',
    ],
    [
      'a card of another kind is there',
      [device('03:00.2', { device: '10d3' })],
      'is 8086:10d3 (8086:0001) now, not 8086:1521 (8086:0001)',
    ],
    [
      'another maker’s board is there, and the card elsewhere',
      [device('03:00.2', { subsystemVendor: '15d9' }), device('05:00.2', { serial: CARD })],
      'is 8086:1521 (15d9:0001) now, not 8086:1521 (8086:0001); it has moved to 0000:05:00.2',
    ],
    [
      'an equal card is there',
      [device('03:00.2', { serial: OTHER_CARD })],
      `is another card now, serial ${OTHER_CARD}, not ${CARD}`,
    ],
    [
      'two equal cards were exchanged',
      [device('03:00.2', { serial: OTHER_CARD }), device('05:00.2', { serial: CARD })],
      `is another card now, serial ${OTHER_CARD}, not ${CARD}; it has moved to 0000:05:00.2`,
    ],
    [
      'its MAC is in use elsewhere',
      [
        device('03:00.2'),
        device('05:00.0', { driver: 'igb', interfaces: [nic('ens5', 'a0:36:9f:12:34:56')] }),
      ],
      'has lost its MAC a0:36:9f:12:34:56, which 0000:05:00.0 has now',
    ],
  ]
  for (const [name, devices, problem] of cases) {
    const { fitting, uncounted, warnings } = checkInventory(
      [saved('03:00.2')],
      devices,
      here({ '04': 'x', '05': 'y' }),
    )
    t.strictSame([...fitting], [], name)
    const todo = /has moved to/.test(problem) ? SCAN : SCAN_DRIVEN
    const line = `saved NIC 0000:03:00.2 (ens1f2, a0:36:9f:12:34:56) ${problem}; ignored, ${todo}`
    t.strictSame(warnings, [line], name)
    t.match(uncounted, [{ entry: saved('03:00.2'), problem, todo }], name)
  }
})

t.test('ports of one card share its serial number; a moved card is found port by port', async (t) => {
  const devices = [device('04:00.0', { serial: CARD }), device('04:00.1', { serial: CARD })]
  const { warnings } = checkInventory([saved('03:00.1', { interfaces: [] })], devices, here())
  t.strictSame(warnings, [`saved NIC 0000:03:00.1 has moved to 0000:04:00.1; ignored, ${SCAN}`])
})

t.test(
  'virtual functions share their card’s serial number, so it does not tell where one has gone',
  async (t) => {
    const virtualFunction = { pf: address('3b:00.0'), index: 8 }
    const functions = [device('3b:03.0', { serial: CARD, virtualFunction })]
    const { warnings } = checkInventory([saved('3b:02.0')], functions, here())
    t.strictSame(warnings, [
      `saved NIC 0000:3b:02.0 (ens1f2, a0:36:9f:12:34:56) is no longer there; ignored, ${SCAN_DRIVEN}`,
    ])
  },
)

t.test('of a NIC that shows another MAC now, nothing saved is used', async (t) => {
  const now = device('03:00.2', { driver: 'igb', interfaces: [nic('ens1f2', '02:00:00:00:00:01')] })
  const { fitting, warnings } = checkInventory([saved('03:00.2')], [now], here())
  t.strictSame([[...fitting], warnings], [[], []])
})

t.test('scan saves NICs that have interfaces, with the altnames that ip knows', async (t) => {
  const live = device('03:00.0', {
    driver: 'igb',
    serial: CARD,
    interfaces: [nic('ens1f0', 'a0:36:9f:12:34:54', ['enp3s0f0'])],
  })
  const seen = { ens1f0: ['enp3s0f0', 'fieldbus-line', 'ens1f0'] }
  t.strictSame(mergeInventory([], [device('00:1f.0'), live], seen, here()), {
    entries: [
      saved('03:00.0', { interfaces: [nic('ens1f0', 'a0:36:9f:12:34:54', ['enp3s0f0', 'fieldbus-line'])] }),
    ],
    notes: [],
  })
})

t.test('scan refreshes, keeps what vfio-pci has, and says what it drops', async (t) => {
  const old = [
    saved('03:00.3', { interfaces: [nic('ens1f3', 'a0:36:9f:12:34:57')] }),
    saved('03:00.0', { interfaces: [nic('eth0', 'a0:36:9f:12:34:54')] }),
    saved('07:00.0', { serial: OTHER_CARD, interfaces: [nic('ens7', 'a0:36:9f:12:34:99')] }),
  ]
  const devices = [
    device('03:00.0', { driver: 'igb', serial: CARD, interfaces: [nic('ens1f0', 'a0:36:9f:12:34:54')] }),
    device('03:00.3'),
  ]
  t.strictSame(mergeInventory(old, devices, {}, here()), {
    entries: [
      saved('03:00.0', { interfaces: [nic('ens1f0', 'a0:36:9f:12:34:54')] }),
      saved('03:00.3', { interfaces: [nic('ens1f3', 'a0:36:9f:12:34:57')] }),
    ],
    notes: ['dropped: saved NIC 0000:07:00.0 (ens7, a0:36:9f:12:34:99) is no longer there'],
  })
})

t.test('a second scan changes nothing', async (t) => {
  const devices = [
    device('03:00.0', { driver: 'igb', serial: CARD, interfaces: [nic('ens1f0', 'a0:36:9f:12:34:54')] }),
    device('03:00.2', { serial: CARD }),
  ]
  const first = mergeInventory([saved('03:00.2')], devices, {}, here())
  t.strictSame(mergeInventory(first.entries, devices, {}, here()), first)
})

const VERSION_1 = { bootId: null, bridges: null }

t.test(
  'an entry counts when the serial number, the boot or the bridges above show that it is the card',
  async (t) => {
    const cases: [string, InventoryEntry, PciDevice, Whereabouts, boolean][] = [
      ['same boot', saved('03:00.2'), device('03:00.2'), here({ '03': 'x' }), true],
      ['same bridges', saved('03:00.2'), device('03:00.2'), here({}, NEXT_BOOT), true],
      [
        'same serial',
        saved('03:00.2'),
        device('03:00.2', { serial: CARD }),
        here({ '03': 'x' }, NEXT_BOOT),
        true,
      ],
      ['none', saved('03:00.2'), device('03:00.2'), here({ '03': 'x' }, NEXT_BOOT), false],
      [
        'another serial in the same boot, below the same bridges',
        saved('03:00.2'),
        device('03:00.2', { serial: OTHER_CARD }),
        here(),
        false,
      ],
      ['of an earlier version', saved('03:00.2', VERSION_1), device('03:00.2'), here(), false],
      [
        'of an earlier version, with serial',
        saved('03:00.2', VERSION_1),
        device('03:00.2', { serial: CARD }),
        here(),
        true,
      ],
      [
        'nothing is known then or now',
        saved('03:00.2', { ...VERSION_1, serial: null }),
        device('03:00.2'),
        { bootId: null, bridgesOf: () => null },
        false,
      ],
    ]
    for (const [name, entry, now, at, counts] of cases) {
      const { fitting, uncounted } = checkInventory([entry], [now], at)
      t.equal(fitting.has(entry.address), counts, name)
      t.equal(uncounted.length, counts ? 0 : 1, name)
    }
  },
)

t.test(
  'entries that nothing verifies are warned of in one line for all alike, which says what mends it',
  async (t) => {
    const check = (facts: Partial<InventoryEntry>) =>
      checkInventory(
        [saved('03:00.2', facts), saved('03:00.3', facts)],
        [device('03:00.2'), device('03:00.3')],
        here({ '03': 'x' }, NEXT_BOOT),
      ).warnings
    t.strictSame(check({}), [
      `saved NIC 0000:03:00.2 (ens1f2, a0:36:9f:12:34:56) (and 1 more) may be another card now: it was saved in another boot, below other bridges, and this user cannot compare its serial number; ignored, ${SCAN}`,
    ])
    t.strictSame(check({ ...VERSION_1, serial: null }), [
      `saved NIC 0000:03:00.2 (ens1f2, a0:36:9f:12:34:56) (and 1 more) may be another card now: neither its boot nor its place was saved, and no serial number was saved; ignored, ${SCAN_DRIVEN}`,
    ])
  },
)

t.test('scan as root verifies by serial number, and the entry counts in this boot', async (t) => {
  const at = here({ '03': 'x' }, NEXT_BOOT)
  const { entries, notes } = mergeInventory(
    [saved('03:00.2', VERSION_1)],
    [device('03:00.2', { serial: CARD })],
    {},
    at,
  )
  t.strictSame(entries, [saved('03:00.2', { bootId: NEXT_BOOT, bridges: 'pci0000:00/x' })])
  t.strictSame(notes, [])
  t.ok(
    checkInventory(entries, [device('03:00.2')], at).fitting.size,
    'a user that reads no serial number has it',
  )
})

t.test('scan keeps an entry that nothing verifies as it is, and says so', async (t) => {
  const old = [saved('03:00.2')]
  const { entries, notes } = mergeInventory(old, [device('03:00.2')], {}, here({ '03': 'x' }, NEXT_BOOT))
  t.strictSame(entries, old)
  t.match(notes, [/^not verified: saved NIC 0000:03:00\.2 .* may be another card now: .*nics scan$/])
})

t.test('scan follows cards that were exchanged, by their serial numbers', async (t) => {
  const other = { serial: OTHER_CARD, interfaces: [nic('ens4f2', 'a0:36:9f:77:88:9b')] }
  const old = [saved('03:00.2'), saved('04:00.2', other)]
  const devices = [device('03:00.2', { serial: OTHER_CARD }), device('04:00.2', { serial: CARD })]
  const { entries, notes } = mergeInventory(old, devices, {}, here())
  t.strictSame(entries, [saved('03:00.2', other), saved('04:00.2')])
  t.strictSame(notes, [
    'moved: saved NIC 0000:03:00.2 (ens1f2, a0:36:9f:12:34:56) is 0000:04:00.2 now',
    'moved: saved NIC 0000:04:00.2 (ens4f2, a0:36:9f:77:88:9b) is 0000:03:00.2 now',
  ])
})

t.test(
  'scan follows a card without serial number whose bus has another number, by the bridges above',
  async (t) => {
    const entry = saved('03:00.2', { serial: null })
    const at = here({ '03': '0000:00:02.0', '04': '0000:00:01.0' }, NEXT_BOOT)
    const gone = mergeInventory([entry], [device('04:00.2')], {}, at)
    t.strictSame(gone.entries, [{ ...entry, address: '0000:04:00.2', bootId: NEXT_BOOT }])
    const two = checkInventory([entry], [device('03:00.2'), device('04:00.2')], at)
    t.match(two.uncounted, [{ why: 'unverified' }], 'a card of the same kind has its address')
  },
)

t.test('a port representor does not show that a card is the one that was saved', async (t) => {
  const entry = saved('03:00.0', { serial: null, bootId: NEXT_BOOT, bridges: 'pci0000:00/0000:00:09.0' })
  const representor = { ...nic('ens1f0npf0vf0', '02:00:00:00:00:01'), port: 'pf0vf0' }
  const now = [device('03:00.0', { driver: 'mlx5_core', interfaces: [representor] })]
  t.match(checkInventory([entry], now, here()).uncounted, [{ why: 'unverified' }])
  t.strictSame(mergeInventory([entry], now, {}, here()).entries, [entry], 'it is not said to be of this boot')
})

t.test(
  "a virtual function's saved MAC counts in the boot that it was saved in; its name stays",
  async (t) => {
    const pf = device('3b:00.0', { driver: 'i40e', interfaces: [nic('ens1f0', '3c:fd:fe:a1:00:00')] })
    const vf = device('3b:02.1', { serial: CARD, virtualFunction: { pf: pf.address, index: 1 } })
    const entry = saved('3b:02.1', {
      interfaces: [nic('ens1f0v1', '3c:fd:fe:a1:00:11', ['enp59s0f0v1', 'enx3cfdfea10011'])],
    })
    const same = checkInventory([entry], [pf, vf], here())
    t.strictSame([...same.fitting.values()], [entry])
    t.strictSame(same.uncounted, [])

    const next = here({}, NEXT_BOOT)
    const kept = { ...entry, interfaces: [{ name: 'ens1f0v1', altnames: ['enp59s0f0v1'], mac: null }] }
    const { fitting, uncounted, warnings } = checkInventory([entry], [pf, vf], next)
    t.strictSame([...fitting.values()], [kept], 'the serial number is that of the card')
    t.strictSame(warnings, [], 'who names it otherwise is not told')
    const problem = 'may have another MAC now: it is a virtual function, and was saved in another boot'
    t.strictSame(uncounted, [
      { entry, why: 'unverified', problem, todo: 'name it by pf = "ens1f0", vf = 1, see qemu-rt nics list' },
    ])
    const hidden = checkInventory([entry], [{ ...pf, interfaces: [] }, vf], next)
    t.match(hidden.uncounted, [{ todo: /^name it by pf = "0000:3b:00\.0", vf = 1,/ }])
    t.match(checkInventory([entry], [pf, vf], here({}, null)).uncounted, [{ problem }], 'no boot is known')

    const live = { ...vf, driver: 'iavf', interfaces: [nic('ens1f0v1', '3c:fd:fe:a1:00:11')] }
    t.strictSame([...checkInventory([entry], [pf, live], next).fitting.values()], [entry], 'it bears it')
    const taken = device('3b:02.2', { driver: 'iavf', interfaces: [nic('ens1f0v2', '3c:fd:fe:a1:00:11')] })
    const other = checkInventory([entry], [pf, vf, taken], next)
    t.strictSame([[...other.fitting.values()], other.warnings], [[kept], []], 'another one has it today')

    const named = saved('3b:02.1', { interfaces: [nic('enx3cfdfea10011', '3c:fd:fe:a1:00:11')] })
    const [nameless] = checkInventory([named], [pf, vf], next).fitting.values()
    t.strictSame(nameless?.interfaces, [], 'a name by MAC goes with it')
  },
)

t.test("scan makes no MAC of this boot of a virtual function's old one", async (t) => {
  const vf = device('3b:02.1', { virtualFunction: { pf: address('3b:00.0'), index: 1 } })
  const entry = saved('3b:02.1', { interfaces: [nic('ens1f0v1', '3c:fd:fe:a1:00:11')] })
  const next = here({}, NEXT_BOOT)
  const { entries, notes } = mergeInventory([entry], [vf], {}, next)
  t.strictSame(entries, [
    { ...entry, bootId: NEXT_BOOT, interfaces: [{ name: 'ens1f0v1', altnames: [], mac: null }] },
  ])
  t.strictSame(notes, [
    'MAC dropped: saved NIC 0000:3b:02.1 (ens1f0v1, 3c:fd:fe:a1:00:11) may have another MAC now: it is a virtual function, and was saved in another boot',
  ])
  t.strictSame(mergeInventory(entries, [vf], {}, next), { entries, notes: [] })
})
