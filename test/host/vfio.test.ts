import t from 'tap'
import { readHostFacts } from '../../src/host/read.js'
import { readPassed } from '../../src/host/vfio.js'
import { device, type Files, madeHost, uevent } from './made-host.js'

const inGroup = (address: string, group: string) => ({
  [`${device(address)}/uevent`]: uevent('vfio-pci'),
  [`${device(address)}/iommu_group`]: { to: `../../../kernel/iommu_groups/${group}` },
})

t.test('a device’s node is that of its IOMMU group, also without an IOMMU behind it', async (t) => {
  const root = madeHost(t, {
    ...inGroup('0000:03:00.0', '12'),
    ...inGroup('0000:04:00.0', '0'),
    ...inGroup('0000:05:00.0', '13'),
    [`${device('0000:06:00.0')}/uevent`]: uevent('vfio-pci'),
    '/dev/vfio/12': '',
    '/dev/vfio/noiommu-0': '',
    '/dev/vfio/vfio': '',
  })
  t.strictSame(
    readHostFacts(root).pci.map(({ vfioNode }) => vfioNode),
    [
      { path: '/dev/vfio/12', access: 'ok' },
      { path: '/dev/vfio/noiommu-0', access: 'ok' },
      { path: '/dev/vfio/13', access: 'missing' },
      null,
    ],
  )
})

t.test('the container of groups is looked at where there are groups', async (t) => {
  const containers = (more: Files) =>
    readHostFacts(
      madeHost(t, { ...inGroup('0000:03:00.0', '12'), ...inGroup('0000:04:00.0', '0'), ...more }),
    ).pci.map(({ vfioContainer }) => vfioContainer?.access)
  t.strictSame(containers({ '/dev/vfio/12': '', '/dev/vfio/vfio': '' }), ['ok', 'ok'])
  t.strictSame(containers({ '/dev/vfio/12': '' }), ['missing', 'missing'])
})

t.test('no /dev/vfio at all is a missing node', async (t) => {
  const root = madeHost(t, inGroup('0000:03:00.0', '12'))
  t.strictSame(readHostFacts(root).pci[0]?.vfioNode, { path: '/dev/vfio/12', access: 'missing' })
})

t.test('a device’s own node is that of the VFIO device that its driver has made', async (t) => {
  const vfioDevice = (address: string, name: string) => ({
    [`/sys/class/vfio-dev/${name}`]: { to: `../../devices/pci0000:00/${address}/vfio-dev/${name}` },
  })
  const root = madeHost(t, {
    ...inGroup('0000:03:00.0', '12'),
    ...inGroup('0000:04:00.0', '13'),
    ...inGroup('0000:05:00.0', '14'),
    ...vfioDevice('0000:03:00.0', 'vfio0'),
    ...vfioDevice('0000:04:00.0', 'vfio1'),
    // A mediated device of the last one.
    ...vfioDevice('0000:05:00.0/6b5f0ad2-9d4b-4e1f-8d1b-3c52a1f0c001', 'vfio2'),
    '/dev/vfio/devices/vfio0': '',
    '/dev/vfio/devices/vfio2': '',
    '/dev/iommu': '',
  })
  const { pci, iommuNode } = readHostFacts(root)
  t.strictSame(
    pci.map(({ cdev }) => cdev),
    [
      { path: '/dev/vfio/devices/vfio0', access: 'ok' },
      { path: '/dev/vfio/devices/vfio1', access: 'missing' },
      null,
    ],
  )
  t.strictSame(iommuNode, { path: '/dev/iommu', access: 'ok' })
})

t.test('a captured host without /sys/class has them in the devices', async (t) => {
  const root = madeHost(t, {
    ...inGroup('0000:03:00.0', '12'),
    [`${device('0000:03:00.0')}/vfio-dev/vfio7/dev`]: '511:7\n',
  })
  t.strictSame(readHostFacts(root).pci[0]?.cdev, { path: '/dev/vfio/devices/vfio7', access: 'missing' })
})

t.test(
  'memory that the firmware keeps for a group is told, unless the kernel takes it for relaxable',
  async (t) => {
    const msi = '0x00000000fee00000 0x00000000feefffff msi\n'
    const regions: readonly (readonly [string | null, string | null])[] = [
      [`0x00000000bdf6f000 0x00000000bdf7efff direct\n${msi}`, '0xbdf6f000-0xbdf7efff'],
      [`${msi}0x0000000000000000 0x000000000000ffff direct\n`, '0x0-0xffff'],
      [`0x00000000bdf6f000 0x00000000bdf7efff direct-relaxable\n${msi}`, null],
      [msi, null],
      ['', null],
      [null, null],
    ]
    for (const [text, region] of regions) {
      const root = madeHost(t, {
        ...inGroup('0000:03:00.0', '12'),
        ...(text === null ? {} : { '/sys/kernel/iommu_groups/12/reserved_regions': text }),
      })
      t.equal(readHostFacts(root).pci[0]?.directRegion?.(), region, `${text}`)
    }
  },
)

t.test(
  'modules refuse a device where interrupts are not remapped, and no parameter allows that',
  async (t) => {
    const type1 = '/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts'
    const iommufd = '/sys/module/iommufd/parameters/allow_unsafe_interrupts'
    const chip = (number: number, name: string) => ({ [`/sys/kernel/irq/${number}/chip_name`]: `${name}\n` })
    const plain = { ...chip(0, ''), ...chip(9, 'IO-APIC'), ...chip(24, 'DMAR-MSI'), ...chip(30, 'PCI-MSI') }
    const hosts: readonly (readonly [string, Readonly<Record<string, string>>, readonly string[]])[] = [
      ['both', { ...plain, [type1]: 'N\n', [iommufd]: 'N\n' }, ['vfio_iommu_type1', 'iommufd']],
      ['one allows it', { ...plain, [type1]: 'Y\n', [iommufd]: 'N\n' }, ['iommufd']],
      ['what is not loaded may yet allow it', { ...plain, [iommufd]: 'N\n' }, ['iommufd']],
      ['nothing is loaded', plain, []],
      ['Linux 6.2', { ...chip(28, 'PCI-MSIX-0000:00:01.0'), [type1]: 'N\n' }, ['vfio_iommu_type1']],
      ['one that is remapped', { ...plain, ...chip(31, 'IR-PCI-MSI'), [type1]: 'N\n' }, []],
      ['remapped since Linux 6.2', { ...chip(31, 'IR-PCI-MSIX-0000:00:01.0'), [type1]: 'N\n' }, []],
      ['Arm', { ...chip(31, 'ITS-PCI-MSI-0000:00:01.0'), ...chip(5, 'GICv3'), [type1]: 'N\n' }, []],
      ['Xen', { ...chip(31, 'xen-pirq-msi'), [type1]: 'N\n' }, []],
      ['no chip is to be seen', { [type1]: 'N\n' }, []],
    ]
    for (const [title, files, guards] of hosts) {
      const root = madeHost(t, { ...inGroup('0000:03:00.0', '12'), ...files })
      t.strictSame(readHostFacts(root).pci[0]?.interruptGuards?.(), guards, title)
    }
  },
)

t.test('a descriptor that is no VFIO device is not known', async (t) => {
  t.strictSame(readPassed(['0', '99999', 'x', '-1', '2147483647']), {})
})
