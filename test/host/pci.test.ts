import t from 'tap'
import { readHostFacts } from '../../src/host/read.js'
import { device, madeHost, uevent } from './made-host.js'

t.test('devices are sorted by address, large domains (Intel VMD) last', async (t) => {
  const root = madeHost(t, {
    [`${device('10000:01:00.0')}/uevent`]: uevent('nvme'),
    [`${device('0000:af:00.0')}/uevent`]: uevent('igb'),
    [`${device('0000:03:00.1')}/uevent`]: uevent('igb'),
    [`${device('2424:00:00.0')}/uevent`]: uevent('igb'),
  })
  t.strictSame(
    readHostFacts(root).pci.map(({ address }) => address),
    ['0000:03:00.1', '0000:af:00.0', '2424:00:00.0', '10000:01:00.0'],
  )
})

t.test('uevent alone says which device it is; IDs are lower case', async (t) => {
  const root = madeHost(t, { [`${device('0000:3b:00.0')}/uevent`]: uevent('vfio-pci', '15B3:A2D6') })
  t.match(readHostFacts(root).pci, [
    {
      vendor: '15b3',
      device: 'a2d6',
      subsystemVendor: '8086',
      subsystemDevice: '0001',
      classCode: 0x020000,
      driver: 'vfio-pci',
      iommuGroup: null,
      numaNode: null,
      vfioNode: null,
      slot: null,
      serial: null,
    },
  ])
})

t.test('without uevent the single files and the driver link say it', async (t) => {
  const path = device('0000:03:00.0')
  const root = madeHost(t, {
    [`${path}/vendor`]: '0x8086\n',
    [`${path}/device`]: '0x10d3\n',
    [`${path}/class`]: '0x020000\n',
    [`${path}/subsystem_vendor`]: '0x8086\n',
    [`${path}/subsystem_device`]: '0xa01f\n',
    [`${path}/driver`]: { to: '../../drivers/e1000e' },
  })
  t.match(readHostFacts(root).pci, [
    { vendor: '8086', device: '10d3', subsystemDevice: 'a01f', classCode: 0x020000, driver: 'e1000e' },
  ])
})

t.test('no numa_node, or -1, is no NUMA node', async (t) => {
  const root = madeHost(t, {
    [`${device('0000:03:00.0')}/uevent`]: uevent('igb'),
    [`${device('0000:03:00.1')}/uevent`]: uevent('igb'),
    [`${device('0000:03:00.1')}/numa_node`]: '-1\n',
    [`${device('0000:03:00.2')}/uevent`]: uevent('igb'),
    [`${device('0000:03:00.2')}/numa_node`]: '1\n',
  })
  t.strictSame(
    readHostFacts(root).pci.map(({ numaNode }) => numaNode),
    [null, null, 1],
  )
})

t.test('a device that vanishes while it is read is left out', async (t) => {
  const root = madeHost(t, {
    [device('0000:03:00.0')]: { to: '../../../devices/pci0000:00/0000:03:00.0' },
    [`${device('0000:03:00.1')}/uevent`]: uevent('igb'),
    [`${device('0000:03:00.2')}/numa_node`]: '0\n',
  })
  t.strictSame(
    readHostFacts(root).pci.map(({ address }) => address),
    ['0000:03:00.1'],
  )
})

t.test('a device without driver has none', async (t) => {
  const root = madeHost(t, { [`${device('0000:03:00.0')}/uevent`]: uevent(null) })
  t.equal(readHostFacts(root).pci[0]?.driver, null)
})

t.test('an SR-IOV relation that changes meanwhile leaves out what is gone', async (t) => {
  const pf = device('0000:3b:00.0')
  const root = madeHost(t, {
    [`${pf}/uevent`]: uevent('i40e', '8086:1572'),
    [`${pf}/sriov_totalvfs`]: '64\n',
    [`${pf}/sriov_numvfs`]: '2\n',
    [`${pf}/virtfn1`]: { to: '../0000:3b:02.1' },
    [`${device('0000:3b:02.1')}/uevent`]: uevent('vfio-pci', '8086:154C'),
  })
  const [physical, virtual] = readHostFacts(root).pci
  t.strictSame(physical?.sriov, { enabled: 2, total: 64 })
  t.strictSame(virtual?.virtualFunction, { pf: '0000:3b:00.0', index: 1 })
})

t.test(
  'a device that does not answer reads as ones, and a virtual function has no vendor of its own',
  async (t) => {
    const [pf, vf] = ['0000:3b:00.0', '0000:3b:02.0'] as const
    /** @param header the type of the header, with the bit of a device of many functions */
    const config = (vendor: number, header: number) => {
      const bytes = Buffer.alloc(64)
      bytes.writeUInt16LE(vendor)
      bytes[0x0e] = header
      return bytes
    }
    const cases: readonly (readonly [
      title: string,
      at: typeof pf | typeof vf,
      Buffer | null,
      gone: boolean,
    ])[] = [
      ['a NIC', pf, config(0x8086, 0x80), false],
      ['nothing but ones', pf, Buffer.alloc(64, 0xff), true],
      ['nothing but ones for root', pf, Buffer.alloc(4096, 0xff), true],
      ['no vendor', pf, config(0xffff, 0), true],
      ['no header', pf, config(0x8086, 0xff), true],
      ['cut short', pf, Buffer.alloc(8, 0xff), false],
      ['not there', pf, null, false],
      ['a virtual function', vf, config(0xffff, 0), false],
      ['a virtual function with nothing but ones', vf, Buffer.alloc(64, 0xff), true],
    ]
    for (const [title, at, bytes, gone] of cases) {
      const root = madeHost(t, {
        [`${device(pf)}/uevent`]: uevent('ixgbe'),
        [`${device(vf)}/uevent`]: uevent('vfio-pci'),
        [`${device(vf)}/physfn`]: { to: `../${pf}` },
        [`${device(pf)}/virtfn0`]: { to: `../${vf}` },
        [`${device(pf)}/sriov_numvfs`]: '1\n',
        [`${device(pf)}/sriov_totalvfs`]: '1\n',
        ...(bytes === null ? {} : { [`${device(at)}/config`]: bytes }),
      })
      const found = readHostFacts(root).pci.find(({ address }) => address === at)
      t.equal(found?.isGone?.(), gone, title)
    }
  },
)
