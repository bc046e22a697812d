import { rmSync } from 'node:fs'
import t, { type Test } from 'tap'
import { nicText } from '../../src/commands/nics/show.js'
import { FOUR, hostWithKernel, quietNetwork } from '../change/stand-in-kernel.js'
import { uevent, writeFiles } from '../host/made-host.js'

/** Four NICs in groups of their own; and eth0, in no group, as on a host without an IOMMU. The host has a route by some. */
function host(t: Test, nics = FOUR, used: readonly string[] = []) {
  const root = t.testdir({ 'rt.toml': '[nic.first]\naddress = "0000:03:00.0"\n' })
  hostWithKernel(root, nics)
  const eth0 = '/sys/bus/pci/devices/0000:00:02.0'
  writeFiles(root, {
    [`${eth0}/uevent`]: uevent('e1000e'),
    [`${eth0}/driver`]: { to: '../../drivers/e1000e' },
    [`${eth0}/net/eth0/address`]: '52:54:00:00:00:01\n',
    '/sys/class/net/eth0': { to: '../../bus/pci/devices/0000:00:02.0/net/eth0' },
    ...quietNetwork(['eth0', ...nics.map((nic) => nic.interface)]),
    '/proc/net/route': [
      'Iface',
      ...used.map((name) => `${name}\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000`),
      '',
    ].join('\n'),
  })
  const options = { sysroot: root, config: `${root}/rt.toml` }
  return {
    root,
    obstacles: async (name: string) => {
      const text = await nicText(name, { ...options, format: 'text' })
      return text.slice(text.indexOf('\n  ready')).trim().split('\n')
    },
    json: async (name: string) => JSON.parse(await nicText(name, { ...options, format: 'json' })).devices[0],
  }
}

/** Two of the NICs share a group. */
const SHARED = FOUR.map((nic, index) => (index < 2 ? { ...nic, group: 10 } : nic))

t.test('all that keeps a NIC from a VM is told, the use by the host first', async (t) => {
  const { obstacles, json } = host(t, FOUR, ['eth0'])
  const use = {
    what: 'the host uses 0000:00:02.0 itself: eth0 has the route 0.0.0.0/0',
    todo: "choose another NIC, or take the route away in the host's network configuration, if the host can do without",
  }
  const group = {
    what: '0000:00:02.0 is in no IOMMU group',
    todo: 'turn on VT-d or AMD-Vi in the firmware and boot with intel_iommu=on (Intel) iommu=pt',
  }
  const driver = {
    what: '0000:00:02.0 is bound to e1000e (eth0), not to vfio-pci',
    todo: 'see to the above first',
  }
  t.match(await json('eth0'), { ready: false })
  t.strictSame((await json('eth0')).obstacles, [use, group, driver])
  const label = (text: string) => text.padEnd('interface'.length)
  t.strictSame(
    (await obstacles('eth0')).map((line) => line.replace(/^(\w+) +/, (_, word) => `${label(word)}  `)),
    [
      `${label('ready')}  no: ${use.what}; ${use.todo}`,
      `  ${label('and')}  ${group.what}; ${group.todo}`,
      `  ${label('and')}  ${driver.what}; ${driver.todo}`,
    ],
  )
})

t.test('one in no IOMMU group that the host does not use is not to be bound', async (t) => {
  const text = (await host(t).obstacles('eth0')).join('\n')
  t.match(text, /^ready +no: 0000:00:02\.0 is in no IOMMU group; turn on VT-d.*\n +and .*not to vfio-pci/)
  t.notMatch(text, /nics bind/)
})

t.test('one that the host uses is not to be bound', async (t) => {
  const text = (await host(t, FOUR, ['ens1f1']).obstacles('ens1f1')).join('\n')
  t.match(
    text,
    /^ready +no: the host uses 0000:03:00\.1 itself: ens1f1 has the route 0\.0\.0\.0\/0; choose another NIC, or take .*\n/,
  )
  t.match(text, /\n +and +0000:03:00\.1 is bound to igb \(ens1f1\), not to vfio-pci; see to the above first$/)
  t.notMatch(text, /nics bind/)
})

t.test('one that nothing else keeps is to be bound', async (t) => {
  const lines = await host(t, FOUR, ['ens1f1']).obstacles('ens1f2')
  t.equal(lines.length, 1)
  t.match(
    lines[0],
    /^ready +no: 0000:03:00\.2 is bound to igb \(ens1f2\), not to vfio-pci; run as root: qemu-rt nics bind 0000:03:00\.2$/,
  )
})

t.test('a group is given away as a whole, unless the host uses what is in it', async (t) => {
  const holds = 'IOMMU group 10 of 0000:03:00.0 also holds 0000:03:00.1 (igb)'
  t.match((await host(t, SHARED).json('ens1f0')).obstacles, [
    {
      what: holds,
      todo: 'move the card to a slot of its own, or give the whole group away: qemu-rt nics bind 0000:03:00.1',
    },
    { what: '0000:03:00.0 is bound to igb (ens1f0), not to vfio-pci', todo: 'see to the above first' },
  ])
  t.match((await host(t, SHARED, ['ens1f1']).json('ens1f0')).obstacles, [
    {
      what: holds,
      todo:
        'move the card to a slot of its own, or turn on ACS in the firmware, which splits the group; ' +
        'the host uses 0000:03:00.1 itself: ens1f1 has the route 0.0.0.0/0',
    },
    { todo: 'see to the above first' },
  ])
})

t.test(
  'what carries the NIC itself, or is its physical function, is not advised to be given away',
  async (t) => {
    const advice = async (files: Parameters<typeof writeFiles>[1]) => {
      const { root, json } = host(
        t,
        SHARED.map((nic, index) => (index === 0 ? { ...nic, driver: 'vfio-pci' } : nic)),
      )
      writeFiles(root, files)
      const { obstacles } = await json('first')
      return obstacles[0]?.todo ?? ''
    }
    const group = { to: '../../../kernel/iommu_groups/10' }
    const vmd = {
      '/sys/bus/pci/devices/0000:00:0e.0/uevent': uevent('vmd', '8086:467f', '10400'),
      '/sys/bus/pci/devices/0000:00:0e.0/iommu_group': group,
      '/sys/bus/pci/devices/10000:e1:00.0': {
        to: '../../../devices/pci0000:00/0000:00:0e.0/pci10000:e0/10000:e1:00.0',
      },
    }
    const byVmd = await advice(vmd)
    t.match(
      byVmd,
      /turn on ACS in the firmware, which splits the group; 0000:00:0e\.0 is a storage controller/,
    )
    t.notMatch(byVmd, /nics bind/)
    const pf = '/sys/bus/pci/devices/0000:03:00.1'
    const byPf = await advice({
      [`${pf}/sriov_numvfs`]: '1\n',
      [`${pf}/sriov_totalvfs`]: '8\n',
      [`${pf}/virtfn0`]: { to: '../0000:03:00.0' },
      '/sys/bus/pci/devices/0000:03:00.0/physfn': { to: '../0000:03:00.1' },
    })
    t.match(byPf, /turn on ACS .*; 1 virtual functions of ens1f1 are on/)
    t.notMatch(byPf, /nics bind/)
  },
)

t.test('one on vfio-pci is ready, unless its group and its node keep it', async (t) => {
  const bound = (nics: typeof FOUR) =>
    nics.map((nic, index) => (index === 0 ? { ...nic, driver: 'vfio-pci' } : nic))
  t.match(await host(t, bound(FOUR)).json('first'), { ready: true, obstacles: [] })
  t.match(await host(t, bound(FOUR)).obstacles('first'), [/^ready +yes$/])
  const { root, json } = host(t, bound(SHARED))
  rmSync(`${root}/dev/vfio/10`)
  const { ready, obstacles } = await json('first')
  t.equal(ready, false)
  t.match(obstacles, [
    { what: 'IOMMU group 10 of 0000:03:00.0 also holds 0000:03:00.1 (igb)' },
    { what: '/dev/vfio/10 of 0000:03:00.0 is missing' },
  ])
})

t.test(
  'what is no NIC in the group is named as what it is, and never advised to be given away',
  async (t) => {
    const { root, json } = host(t)
    const usb = '/sys/bus/pci/devices/0000:00:14.0'
    writeFiles(root, {
      [`${usb}/uevent`]: uevent('xhci_hcd', '8086:8c31', 'c0330'),
      [`${usb}/driver`]: { to: '../../drivers/xhci_hcd' },
      [`${usb}/iommu_group`]: { to: '../../../kernel/iommu_groups/10' },
    })
    const [group, driver] = (await json('ens1f0')).obstacles
    t.match(group, {
      what: 'IOMMU group 10 of 0000:03:00.0 also holds 0000:00:14.0 (xhci_hcd)',
      todo: /turn on ACS in the firmware, which splits the group; 0000:00:14\.0 is a USB controller$/,
    })
    t.notMatch(JSON.stringify([group, driver]), /nics bind/)
  },
)

t.test('a device is shown by its address, whatever it is', async (t) => {
  const { root, json } = host(t)
  const disks = '/sys/bus/pci/devices/0000:00:17.0'
  writeFiles(root, {
    [`${disks}/uevent`]: uevent('ahci', '8086:8c02', '10601'),
    [`${disks}/driver`]: { to: '../../drivers/ahci' },
  })
  t.match(await json('0000:00:17.0'), {
    address: '0000:00:17.0',
    ready: false,
    obstacles: [{ what: '0000:00:17.0 is a storage controller, not a NIC', todo: 'choose a NIC' }],
  })
  t.match(await json('0000:03:00.1'), { address: '0000:03:00.1', interfaces: ['ens1f1'] })
})

t.test('several uses of a kind are one line', async (t) => {
  const { root, obstacles } = host(t)
  writeFiles(root, {
    '/sys/bus/pci/devices/0000:03:00.1/net/ens1f1/upper_vlan7': { to: '../vlan7' },
    '/sys/bus/pci/devices/0000:03:00.1/net/ens1f1/upper_vlan8': { to: '../vlan8' },
  })
  const lines = await obstacles('ens1f1')
  t.equal(lines.length, 2)
  t.match(lines[0], /ens1f1 carries vlan7, and 1 more; choose another NIC, or remove vlan7 first/)
})
