import t, { type Test } from 'tap'
import type { PciDevice } from '../../src/host/facts.js'
import { obstacles, obstacleToBinding } from '../../src/plan/nics/readiness.js'
import { address, FOUR_NICS, NAMED, planOf, readyNic, withNic } from './make.js'

const CONFIG = '[nic.x]\naddress = "03:00.2"\n'
const device = (arg: string) => [...NAMED, '-device', arg]
const plan = (facts: Partial<PciDevice>, arg = 'vfio-pci,host=nic:x', more = {}) =>
  planOf(device(arg), { config: CONFIG, pci: withNic(2, facts), ...more }).nics[0]?.ready
const cdev = (access: 'ok' | 'denied' | 'missing') => ({ path: '/dev/vfio/devices/vfio2', access })
const iommuNode = (access: 'ok' | 'denied' | 'missing') => ({ path: '/dev/iommu', access })

t.test(
  'by iommufd QEMU opens the device’s own node, and /dev/iommu unless that is passed open',
  async (t) => {
    const own = ['-object', 'iommufd,id=i']
    const passed = ['-object', '{"qom-type":"iommufd","id":"i","fd":"24"}']
    const ready = (facts: Partial<PciDevice>, object: string[], node: ReturnType<typeof iommuNode>) =>
      planOf([...object, ...device('vfio-pci,host=nic:x,iommufd=i')], {
        config: CONFIG,
        pci: withNic(2, { vfioNode: { path: '/dev/vfio/13', access: 'missing' }, ...facts }),
        iommuNode: node,
      }).nics[0]?.ready
    t.equal(ready({ cdev: cdev('ok') }, own, iommuNode('ok')), true)
    t.equal(ready({ cdev: cdev('ok') }, passed, iommuNode('missing')), true)
    const cases = [
      [{ cdev: cdev('ok') }, iommuNode('missing'), 69, /\/dev\/iommu, which iommufd= uses, is missing/],
      [{ cdev: cdev('ok') }, iommuNode('denied'), 77, /\/dev\/iommu, which iommufd= uses, cannot be opened/],
      [{ cdev: cdev('denied') }, iommuNode('ok'), 77, /vfio2 of 0000:03:00.2 cannot be opened by this user/],
      [{ cdev: cdev('missing') }, iommuNode('ok'), 69, /has no node in \/dev\/vfio\/devices/],
      [{}, iommuNode('ok'), 69, /has no node in \/dev\/vfio\/devices/],
    ] as const
    for (const [facts, node, exitCode, message] of cases)
      t.throws(() => ready(facts, own, node), { exitCode, message })
  },
)

t.test('a group is opened with its container, /dev/vfio/vfio', async (t) => {
  const node = (access: 'ok' | 'denied' | 'missing') => ({ path: '/dev/vfio/vfio', access })
  t.equal(plan({ vfioContainer: node('ok') }), true)
  const byIommufd = { vfioContainer: node('missing'), cdev: cdev('ok') }
  t.equal(plan(byIommufd, 'vfio-pci,host=nic:x,iommufd=i', { iommuNode: iommuNode('ok') }), true)
  const cases = [
    [
      { vfioContainer: node('missing') },
      69,
      /\/dev\/vfio\/vfio, which QEMU opens \/dev\/vfio\/\d+ with, is missing; run as/,
    ],
    [byIommufd, 69, /\/dev\/vfio\/vfio, which .* is missing; this kernel .* \(CONFIG_VFIO_CONTAINER\)/],
    [
      { vfioContainer: node('denied') },
      77,
      /\/dev\/vfio\/vfio, which .*, cannot be opened by this user; run as root: chmod/,
    ],
  ] as const
  for (const [facts, exitCode, message] of cases) {
    t.throws(() => plan(facts), { exitCode, message })
    const pci = withNic(2, facts)
    const found = pci.slice(2, 3).flatMap((nic) => obstacles(nic, pci, () => []))
    t.match(
      found.map(({ exitCode: code }) => code),
      [exitCode],
      'nics show',
    )
  }
})

t.test('a kernel that has no groups is told of iommufd', async (t) => {
  const facts = { vfioNode: { path: '/dev/vfio/13', access: 'missing' as const }, cdev: cdev('ok') }
  t.throws(() => plan(facts), { message: /CONFIG_VFIO_GROUP/ })
})

t.test('a device without an IOMMU behind it is not ready', async (t) => {
  t.throws(() => plan({ vfioNode: { path: '/dev/vfio/noiommu-0', access: 'ok' } }), {
    exitCode: 69,
    message: /has no IOMMU behind it \(\/dev\/vfio\/noiommu-0\), and QEMU opens no such device/,
  })
})

const POOL = '[nic.x]\nid = "8086:1521"\npool = true\n'
/** That the NIC at place 2 is refused wherever it is looked at, and that a pool goes on to the next one. */
function isRefused(t: Test, facts: Partial<PciDevice>, what: RegExp) {
  t.throws(() => plan(facts), { exitCode: 69, message: what })
  t.match(
    plan(facts, 'vfio-pci,host=nic:x', { config: POOL, pci: withNic(2, facts).slice(2) }),
    true,
    'a pool',
  )
  for (const driver of ['vfio-pci', 'igb']) {
    const pci = withNic(2, { driver, ...facts })
    const [nic] = pci.slice(2)
    if (nic === undefined) throw new Error('no NIC')
    t.match(obstacleToBinding(nic, pci), { what, exitCode: 69 }, `the hook, on ${driver}`)
    t.match(obstacles(nic, pci, () => [])[0], { what }, `nics show, on ${driver}`)
  }
}

t.test('a device for which the firmware keeps memory is not given: the kernel refuses it', async (t) => {
  isRefused(
    t,
    { directRegion: () => '0xbdf6f000-0xbdf7efff' },
    /IOMMU group \d+ of 0000:03:00.2 is mapped to the firmware's memory 0xbdf6f000-0xbdf7efff/,
  )
  t.equal(plan({ directRegion: () => null }), true)
})

t.test('a device that does not answer is not given', async (t) => {
  isRefused(t, { isGone: () => true }, /0000:03:00.2 does not answer: its configuration space reads as ones/)
  t.equal(plan({ isGone: () => false }), true)
})

t.test(
  'a device whose interrupts are not remapped is not given, by the module that refuses it',
  async (t) => {
    const what =
      /this host does not remap interrupts, and without that vfio_iommu_type1 gives 0000:03:00.2 to no VM/
    isRefused(t, { interruptGuards: () => ['vfio_iommu_type1'] }, what)
    t.equal(plan({ interruptGuards: () => [] }), true)
    const byIommufd = (guard: 'vfio_iommu_type1' | 'iommufd') =>
      plan({ cdev: cdev('ok'), interruptGuards: () => [guard] }, 'vfio-pci,host=nic:x,iommufd=i', {
        iommuNode: iommuNode('ok'),
      })
    t.equal(plan({ interruptGuards: () => ['iommufd'] }), true, 'it is opened by its group')
    t.equal(byIommufd('vfio_iommu_type1'), true)
    t.throws(() => byIommufd('iommufd'), {
      exitCode: 69,
      message: /without that iommufd gives 0000:03:00.2 to no VM/,
    })
  },
)

t.test('a VF of a physical function that is on the same VFIO driver opens with a token alone', async (t) => {
  const vf = readyNic('0000:3b:02.0', 'v0', '02:00:00:00:00:01', {
    virtualFunction: { pf: address('0000:03:00.3'), index: 0 },
  })
  const token = (driver: string | null, own: string, arg = 'vfio-pci,host=nic:v0') =>
    planOf(device(arg), { pci: [...withNic(3, { driver }), { ...vf, driver: own }] }).nics[0]?.ready
  t.equal(token('igb', 'vfio-pci'), true)
  t.equal(token('mlx5_vfio_pci', 'vfio-pci'), true, 'another driver does not look for it')
  t.equal(token('vfio-pci', 'vfio-pci', 'vfio-pci,host=nic:v0,vf-token=6b5f0ad2'), true)
  t.throws(() => token('vfio-pci', 'vfio-pci'), {
    exitCode: 69,
    message:
      /0000:3b:02.0 is a virtual function of 0000:03:00.3, which vfio-pci has, so it opens only with the token/,
  })
})

t.test('a driver is one of VFIO by its name, or because it offers a node of VFIO’s', async (t) => {
  for (const driver of ['mlx5_vfio_pci', 'hisi_acc_vfio_pci', 'nvgrace_gpu_vfio_pci', 'virtio_vfio_pci']) {
    t.equal(plan({ driver }), true, driver)
  }
  t.equal(plan({ driver: 'nvidia', cdev: cdev('ok') }), true)
  t.throws(() => plan({ driver: 'nvidia' }), { message: /is bound to nvidia, not to vfio-pci/ })
  const shared = FOUR_NICS.map((nic) => ({ ...nic, iommuGroup: 13, driver: 'my_variant', cdev: cdev('ok') }))
  t.equal(planOf(device('vfio-pci,host=nic:x'), { config: CONFIG, pci: shared }).nics[0]?.ready, true)
})
