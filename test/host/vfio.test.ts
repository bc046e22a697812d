import t from 'tap'
import { readHostFacts } from '../../src/host/read.js'
import { device, madeHost, uevent } from './made-host.js'

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

t.test('no /dev/vfio at all is a missing node', async (t) => {
  const root = madeHost(t, inGroup('0000:03:00.0', '12'))
  t.strictSame(readHostFacts(root).pci[0]?.vfioNode, { path: '/dev/vfio/12', access: 'missing' })
})
