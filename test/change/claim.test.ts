import { statSync } from 'node:fs'
import t, { type Test } from 'tap'
import { claimDevices, giveDevicesBack } from '../../src/change/claim.js'
import { bindToVfio, giveToHost } from '../../src/change/driver.js'
import { readHostFacts } from '../../src/host/read.js'
import type { Root } from '../../src/host/sysroot.js'
import type { TakenDevice } from '../../src/record/vm.js'
import { openNode, writeFiles } from '../host/made-host.js'
import { address } from '../plan/make.js'
import { driversOf, FOUR, hostWithKernel } from './stand-in-kernel.js'

const UID = process.getuid?.() ?? 0
/** A user that the node can be given to: another one as root, else oneself. */
const QEMU_UID = UID === 0 ? 64055 : UID

function host(t: Test, refuse?: Parameters<typeof hostWithKernel>[2], nics = FOUR) {
  const root = t.testdir({}) as Root
  const kernel = hostWithKernel(root, nics, refuse)
  const devices = () => readHostFacts(root).pci
  return { root, devices, ...kernel }
}

t.test('devices go to vfio-pci and their nodes to the user, and back to who had them', async (t) => {
  const { root, devices, write } = host(t)
  const records: (readonly TakenDevice[])[] = []
  const wanted = devices().slice(1, 3)
  await claimDevices(root, wanted, QEMU_UID, write, (taken) => records.push(taken))
  t.strictSame(driversOf(root, FOUR), ['igb', 'vfio-pci', 'vfio-pci', 'igb'])
  t.equal(statSync(`${root}/dev/vfio/11`).uid, QEMU_UID)
  t.equal(statSync(`${root}/dev/vfio/11`).mode & 0o600, 0o600)
  t.strictSame(records[0], [{ address: '0000:03:00.1', driver: 'igb' }], 'told before it is changed')
  const taken = records.at(-1) ?? []
  t.match(taken, [{ driver: 'igb' }, { address: '0000:03:00.2', driver: 'igb' }])
  t.strictSame(giveDevicesBack(root, taken, write), [])
  t.strictSame(driversOf(root, FOUR), ['igb', 'igb', 'igb', 'igb'])
})

t.test(
  'a device that was on vfio-pci stays there: its node alone is given back',
  { skip: UID !== 0 && 'not root' },
  async (t) => {
    const nics = FOUR.map((nic) => ({ ...nic, driver: 'vfio-pci' }))
    const { root, devices, write, writes } = host(t, undefined, nics)
    let taken: readonly TakenDevice[] = []
    await claimDevices(root, devices().slice(0, 1), QEMU_UID, write, (now) => (taken = now))
    t.strictSame(taken, [{ address: '0000:03:00.0', node: { path: '/dev/vfio/10', uid: 0, mode: 0o644 } }])
    t.equal(statSync(`${root}/dev/vfio/10`).uid, QEMU_UID)
    giveDevicesBack(root, taken, write)
    t.equal(statSync(`${root}/dev/vfio/10`).uid, 0)
    t.equal(statSync(`${root}/dev/vfio/10`).mode & 0o777, 0o644)
    t.strictSame(writes, [], 'sysfs was not written to')
  },
)

t.test('one that had no driver has none again', async (t) => {
  const nics = FOUR.map((nic) => ({ ...nic, driver: null }))
  const { root, devices, write } = host(t, undefined, nics)
  let taken: readonly TakenDevice[] = []
  await claimDevices(root, devices().slice(0, 1), QEMU_UID, write, (now) => (taken = now))
  t.strictSame(driversOf(root, nics), ['vfio-pci', null, null, null])
  giveDevicesBack(root, taken, write)
  t.strictSame(driversOf(root, nics), [null, null, null, null])
})

t.test('when one cannot be had, all are as before', async (t) => {
  const refuse = (path: string, text: string) =>
    path.includes('03:00.2/driver_override') && text === 'vfio-pci' ? 'EINVAL' : null
  const { root, devices, write } = host(t, refuse)
  const records: (readonly TakenDevice[])[] = []
  await t.rejects(
    claimDevices(root, devices(), QEMU_UID, write, (taken) => records.push(taken)),
    { message: '0000:03:00.2 cannot be given to vfio-pci: EINVAL; see dmesg', exitCode: 69 },
  )
  t.strictSame(driversOf(root, FOUR), ['igb', 'igb', 'igb', 'igb'])
  t.strictSame(records.at(-1), [])
})

t.test('a device that vfio-pci does not take has its driver back, and no override', async (t) => {
  const nics = FOUR.map((nic, index) => (index === 1 ? { ...nic, refusedBy: 'vfio-pci' } : nic))
  const expected = { message: /^vfio-pci does not take 0000:03:00\.1; see dmesg/, exitCode: 69 }
  const alone = host(t, undefined, nics)
  t.throws(() => bindToVfio(alone.root, address('0000:03:00.1'), alone.write), expected)
  t.strictSame(driversOf(alone.root, nics), ['igb', 'igb', 'igb', 'igb'])
  t.strictSame(alone.overrides(), {})
  const { root, devices, write, writes, overrides } = host(t, undefined, nics)
  await t.rejects(
    claimDevices(root, devices(), QEMU_UID, write, () => {}),
    expected,
  )
  t.strictSame(driversOf(root, nics), ['igb', 'igb', 'igb', 'igb'])
  t.strictSame(overrides(), {})
  const unbound = writes.filter((line) => line.includes('03:00.1/driver/unbind'))
  t.equal(unbound.length, 1, 'its interface goes and comes once, not again when all are given back')
})

t.test('a driver that does not take the device is told', async (t) => {
  const { root, devices, write } = host(t)
  const deaf: typeof write = (path, text) => {
    if (!path.endsWith('/drivers_probe') || driversOf(root, FOUR)[0] !== null) write(path, text)
  }
  await t.rejects(
    claimDevices(root, devices().slice(0, 1), QEMU_UID, deaf, () => {}),
    {
      message:
        'vfio-pci does not take 0000:03:00.0; see dmesg; is the module there (modprobe vfio-pci), and the IOMMU on?',
      exitCode: 69,
    },
  )
})

t.test("without root's rights that is said", async (t) => {
  const { root, devices, write } = host(t, () => 'EACCES')
  await t.rejects(
    claimDevices(root, devices().slice(0, 1), QEMU_UID, write, () => {}),
    {
      message: '0000:03:00.0 cannot be given to vfio-pci: EACCES; run it as root',
      exitCode: 77,
    },
  )
})

t.test('what cannot be given back keeps none of the others', async (t) => {
  let isBroken = false
  const refuse = (path: string) => (isBroken && path.includes('03:00.3') ? 'EIO' : null)
  const { root, devices, write } = host(t, refuse)
  let taken: readonly TakenDevice[] = []
  await claimDevices(root, devices().slice(2), QEMU_UID, write, (now) => (taken = now))
  isBroken = true
  const errors = giveDevicesBack(root, taken, write)
  t.strictSame(
    errors.map(({ message }) => message),
    ['0000:03:00.3 cannot be given to igb: EIO; see dmesg'],
  )
  t.strictSame(driversOf(root, FOUR), ['igb', 'igb', 'igb', 'vfio-pci'])
})

t.test('given to the host, a device gets the driver that the kernel has for it', async (t) => {
  const nics = FOUR.map((nic, index) => ({ ...nic, driver: 'vfio-pci', native: index === 0 ? null : 'igb' }))
  const { root, write } = host(t, undefined, nics)
  t.equal(giveToHost(root, address('0000:03:00.1'), write), 'igb')
  t.equal(giveToHost(root, address('0000:03:00.0'), write), null)
})

t.test('one that came into use since it was chosen is not taken, and the others go back', async (t) => {
  const { root, devices, write, writes } = host(t)
  const chosen = devices()
  writeFiles(root, {
    '/sys/bus/pci/devices/0000:03:00.2/net/ens1f2/upper_vlan7': { to: '../vlan7' },
  })
  const records: (readonly TakenDevice[])[] = []
  await t.rejects(
    claimDevices(root, chosen, QEMU_UID, write, (taken) => records.push(taken)),
    {
      message: /^the host uses 0000:03:00\.2 itself: ens1f2 carries vlan7; choose another NIC/,
      exitCode: 69,
    },
  )
  t.strictSame(driversOf(root, FOUR), ['igb', 'igb', 'igb', 'igb'])
  t.notMatch(writes.join('\n'), /03:00\.2\/driver\/unbind/)
  t.strictSame(records.at(-1), [])
})

t.test('killed before or after any change, what is recorded gives everything back', async (t) => {
  const wanted = (root: Root) => readHostFacts(root).pci.slice(1, 3)
  const first = host(t)
  await claimDevices(first.root, wanted(first.root), QEMU_UID, first.write, () => {})
  const changes = first.writes.length
  t.ok(changes >= 6)
  for (let last = 0; last <= changes; last++) {
    const root = t.testdir({}) as Root
    const kernel = hostWithKernel(root, FOUR)
    let count = 0
    let record = '[]'
    let isDead = false
    // Nothing that it would have done from then on is done.
    const write: typeof kernel.write = (path, text) => {
      if (count++ === last) isDead = true
      if (isDead) throw Object.assign(new Error('killed'), { code: 'EIO' })
      kernel.write(path, text)
    }
    const claiming = claimDevices(root, wanted(root), QEMU_UID, write, (taken) => {
      if (!isDead) record = JSON.stringify(taken)
    })
    await claiming.catch(() => {})
    const taken = JSON.parse(record)
    t.strictSame(giveDevicesBack(root, taken, kernel.write), [])
    t.strictSame(driversOf(root, FOUR), ['igb', 'igb', 'igb', 'igb'], `killed at change ${last}`)
    t.strictSame(kernel.overrides(), {})
    const before = kernel.writes.filter((line) => !line.includes('driver_override')).length
    t.strictSame(giveDevicesBack(root, taken, kernel.write), [], 'again')
    t.equal(
      kernel.writes.filter((line) => !line.includes('driver_override')).length,
      before,
      'changes nothing',
    )
  }
})

t.test('the override that a device had comes back', async (t) => {
  const { root, devices, write, overrides } = host(t)
  writeFiles(root, { '/sys/bus/pci/devices/0000:03:00.1/driver_override': 'igb\n' })
  let taken: readonly TakenDevice[] = []
  await claimDevices(root, devices().slice(1, 2), QEMU_UID, write, (now) => (taken = now))
  t.match(taken, [{ driver: 'igb', override: 'igb' }])
  giveDevicesBack(root, taken, write)
  t.strictSame(overrides(), { '0000:03:00.1': 'igb' })
})

t.test('what is not as it was left is not touched: gone, another driver, a path elsewhere', async (t) => {
  const { root, write, writes } = host(t)
  const gone = { address: address('0000:09:00.0'), driver: 'igb' }
  const another = { address: address('0000:03:00.1'), driver: 'e1000e' }
  const node = { path: '/dev/vfio/99', uid: 0 }
  t.strictSame(giveDevicesBack(root, [gone, another, { address: another.address, node }], write), [])
  t.strictSame(writes, [])
  const elsewhere = { address: another.address, node: { path: '/dev/vfio/../../etc/passwd', uid: 0 } }
  t.match(giveDevicesBack(root, [elsewhere], write), [{ message: /cannot be given to UID 0/ }])
})

t.test('the time to look who has devices open is that of all of them', async (t) => {
  const { root, devices, write } = host(t)
  let taken: readonly TakenDevice[] = []
  await claimDevices(root, devices().slice(0, 2), QEMU_UID, write, (now) => (taken = now))
  writeFiles(root, {
    '/proc/4711/stat': '4711 (qemu) S 1\n',
    '/proc/4711/fd/0': { to: '/dev/null' },
    '/sys/bus/pci/devices/0000:03:00.0/vfio-dev/vfio3/dev': '511:3\n',
  })
  const errors = giveDevicesBack(root, taken, write, Date.now())
  t.match(errors, [{ message: /^0000:03:00\.0 may be open still: / }])
  t.equal(errors.length, 1)
  t.strictSame(
    driversOf(root, FOUR),
    ['vfio-pci', 'igb', 'igb', 'igb'],
    'without a node of its own it goes back',
  )
})

t.test('one that a process still has open is not waited for', async (t) => {
  const { root, devices, write, writes } = host(t)
  let taken: readonly TakenDevice[] = []
  await claimDevices(root, devices().slice(1, 3), QEMU_UID, write, (now) => (taken = now))
  writeFiles(root, {
    '/proc/4711/comm': 'qemu-system-x86\n',
    ...openNode(root, {
      pid: 4711,
      fd: 9,
      node: 'devices/vfio0',
      place: '../../devices/pci0000:00/0000:03:00.2/vfio-dev/vfio0',
    }),
    '/sys/bus/pci/devices/0000:03:00.2/vfio-dev/vfio0/dev': '511:0\n',
  })
  writes.length = 0
  t.match(giveDevicesBack(root, taken, write), [
    { message: '0000:03:00.2 is held by process 4711 (qemu-system-x86); stop it first' },
  ])
  t.strictSame(driversOf(root, FOUR), ['igb', 'igb', 'vfio-pci', 'igb'], 'the other one went back')
  t.notMatch(writes.join('\n'), /03:00\.2/)
})
