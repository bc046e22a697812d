import t from 'tap'
import type { InventoryEntry, PciDevice } from '../../src/host/facts.js'
import { checkInventory, mergeInventory } from '../../src/host/inventory.js'
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
    interfaces: [nic('ens1f2', 'a0:36:9f:12:34:56')],
    ...facts,
  }
}

const MEND = 'ignored, run qemu-rt nics scan when a kernel driver has the card'

t.test('an entry holds while the same card is at its address', async (t) => {
  const entry = saved('03:00.2')
  const fits = (now: PciDevice) => [...checkInventory([entry], [now]).fitting.values()]
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
    const { fitting, warnings } = checkInventory([saved('03:00.2')], devices)
    t.strictSame([...fitting], [], name)
    t.strictSame(warnings, [`saved NIC 0000:03:00.2 (ens1f2, a0:36:9f:12:34:56) ${problem}; ${MEND}`], name)
  }
})

t.test('ports of one card share its serial number; a moved card is found port by port', async (t) => {
  const devices = [device('04:00.0', { serial: CARD }), device('04:00.1', { serial: CARD })]
  const { warnings } = checkInventory([saved('03:00.1', { interfaces: [] })], devices)
  t.strictSame(warnings, [`saved NIC 0000:03:00.1 has moved to 0000:04:00.1; ${MEND}`])
})

t.test(
  'virtual functions share their card’s serial number, so it does not tell where one has gone',
  async (t) => {
    const functions = [device('3b:03.0', { serial: CARD }), device('3b:04.0', { serial: CARD })]
    const { warnings } = checkInventory([saved('3b:02.0')], functions)
    t.strictSame(warnings, [`saved NIC 0000:3b:02.0 (ens1f2, a0:36:9f:12:34:56) is no longer there; ${MEND}`])
  },
)

t.test('of a NIC that shows another MAC now, nothing saved is used', async (t) => {
  const now = device('03:00.2', { driver: 'igb', interfaces: [nic('ens1f2', '02:00:00:00:00:01')] })
  const { fitting, warnings } = checkInventory([saved('03:00.2')], [now])
  t.strictSame([[...fitting], warnings], [[], []])
})

t.test('scan saves NICs that have interfaces, with the altnames that ip knows', async (t) => {
  const live = device('03:00.0', {
    driver: 'igb',
    serial: CARD,
    interfaces: [nic('ens1f0', 'a0:36:9f:12:34:54', ['enp3s0f0'])],
  })
  const seen = { ens1f0: ['enp3s0f0', 'fieldbus-line', 'ens1f0'] }
  t.strictSame(mergeInventory([], [device('00:1f.0'), live], seen), {
    entries: [
      saved('03:00.0', { interfaces: [nic('ens1f0', 'a0:36:9f:12:34:54', ['enp3s0f0', 'fieldbus-line'])] }),
    ],
    dropped: [],
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
  t.strictSame(mergeInventory(old, devices, {}), {
    entries: [
      saved('03:00.0', { interfaces: [nic('ens1f0', 'a0:36:9f:12:34:54')] }),
      saved('03:00.3', { interfaces: [nic('ens1f3', 'a0:36:9f:12:34:57')] }),
    ],
    dropped: ['saved NIC 0000:07:00.0 (ens7, a0:36:9f:12:34:99) is no longer there'],
  })
})

t.test('a second scan changes nothing', async (t) => {
  const devices = [
    device('03:00.0', { driver: 'igb', serial: CARD, interfaces: [nic('ens1f0', 'a0:36:9f:12:34:54')] }),
    device('03:00.2', { serial: CARD }),
  ]
  const first = mergeInventory([saved('03:00.2')], devices, {})
  t.strictSame(mergeInventory(first.entries, devices, {}), first)
})
