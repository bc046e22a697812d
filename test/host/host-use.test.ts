import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { usedBeyondForce, usedByHost } from '../../src/change/obstacle.js'
import { readHostFacts } from '../../src/host/read.js'
import type { Root } from '../../src/host/sysroot.js'
import { CAPTURED_USES_PATH } from '../../src/host/use/captured.js'
import { hostUseOf, verbsOf } from '../../src/host/use/host-use.js'
import { type OpenNodes, openNodes } from '../../src/host/use/open-nodes.js'
import type { Use } from '../../src/host/use/use.js'
import { obstacles } from '../../src/plan/nics/readiness.js'
import { isForcible, wordsOf } from '../../src/plan/nics/uses.js'
import type { PciAddress } from '../../src/units/pci-address.js'
import { FOUR, hostWithKernel } from '../change/stand-in-kernel.js'
import { type Files, openNode, uevent, writeFiles } from './made-host.js'

const NIC = '/sys/bus/pci/devices/0000:03:00.1'
const NET = `${NIC}/net/ens1f1`

/** A host with four NICs that it uses for nothing, and what else is written there. */
function host(t: Test, files: Files = {}, more: Readonly<Record<string, string>> = {}): Root {
  const root = t.testdir({}) as Root
  hostWithKernel(root, FOUR)
  writeFiles(root, files)
  // The kernel's files are there already, and get further lines.
  for (const [path, lines] of Object.entries(more)) {
    writeFileSync(root + path, readFileSync(root + path, 'utf8') + lines)
  }
  return root
}

const usesOf = (root: Root, address = '0000:03:00.1') => hostUseOf(root)({ address })

const NONE = '0'.repeat(32)
const sixRoute = (destination: string, length: string, hop = NONE) =>
  `${destination} ${length} ${NONE} 00 ${hop} 00000100 00000001 00000000 00000001   ens1f1\n`
const FE80 = 'fe80000000000000'
const EUI_64 = `${FE80}a2369ffffe000001`

t.test('a NIC that is up, with no more than the kernel gives every interface, is not used', async (t) => {
  const root = host(
    t,
    {},
    {
      '/proc/net/if_inet6': `${EUI_64} 03 40 20 80   ens1f1\n`,
      '/proc/net/ipv6_route':
        sixRoute(`${FE80}${'0'.repeat(16)}`, '40') +
        sixRoute(EUI_64, '80') +
        sixRoute(`ff${'0'.repeat(30)}`, '08'),
    },
  )
  t.strictSame(usesOf(root), [])
  for (const { address } of FOUR) t.strictSame(usesOf(root, address), [])
})

/** A device's node of RDMA verbs, in its directory as every driver of the kernel's has it. */
const VERBS: Files = { [`${NIC}/infiniband_verbs/uverbs0/ibdev`]: 'mlx5_0\n' }

/** A process that has a node open. @param device whose node it is */
const holdsVerbs = (root: string, device = '0000:03:00.1', flags = '02000002') =>
  openNode(root, {
    pid: 812,
    fd: 7,
    node: 'uverbs0',
    place: `../../devices/pci0000:00/${device}/infiniband_verbs/uverbs0`,
    flags,
  })

/** What may be on a host, and what must be said then. */
const USES: Readonly<
  Record<string, { files?: Files; more?: Readonly<Record<string, string>>; use: Partial<Use>; what: RegExp }>
> = {
  'a VLAN': {
    files: { [`${NET}/upper_ens1f1.7`]: { to: '../../../../devices/virtual/net/ens1f1.7' } },
    use: { kind: 'upper', upper: 'ens1f1.7', isMaster: false },
    what: /the host uses 0000:03:00\.1 itself: ens1f1 carries ens1f1\.7$/,
  },
  'a macvtap': {
    files: { [`${NET}/upper_macvtap0`]: { to: '../macvtap0' } },
    use: { kind: 'upper', upper: 'macvtap0' },
    what: /ens1f1 carries macvtap0$/,
  },
  'a bridge': {
    files: { [`${NET}/master`]: { to: '../br0' }, [`${NET}/upper_br0`]: { to: '../br0' } },
    use: { kind: 'upper', upper: 'br0', isMaster: true },
    what: /ens1f1 is part of br0$/,
  },
  'an Open vSwitch': {
    files: { [`${NET}/master`]: { to: '../../../../virtual/net/ovs-system' } },
    use: { kind: 'upper', upper: 'ovs-system', isMaster: true },
    what: /ens1f1 is part of ovs-system$/,
  },
  'a route of the main table': {
    more: { '/proc/net/route': 'ens1f1\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n' },
    use: { kind: 'route', route: '192.0.2.0/24' },
    what: /ens1f1 has the route 192\.0\.2\.0\/24$/,
  },
  'a global IPv6 address': {
    more: { '/proc/net/if_inet6': '20010db8000000000000000000000001 03 40 00 80   ens1f1\n' },
    use: { kind: 'address', address: '2001:db8::1/64' },
    what: /ens1f1 has address 2001:db8::1\/64$/,
  },
  'a unique local address': {
    more: { '/proc/net/if_inet6': 'fd000000000000000000000000000001 03 40 00 80   ens1f1\n' },
    use: { kind: 'address', address: 'fd00::1/64' },
    what: /has address fd00::1\/64$/,
  },
  "a router's own link-local address": {
    more: { '/proc/net/if_inet6': `${FE80}0000000000000001 03 40 20 80   ens1f1\n` },
    use: { kind: 'address', address: 'fe80::1/64' },
    what: /has address fe80::1\/64$/,
  },
  'a link-local address that the kernel does not make': {
    more: { '/proc/net/if_inet6': `${FE80}8d3c1f2a55aa0102 03 40 20 80   ens1f1\n` },
    files: { '/proc/sys/net/ipv6/conf/ens1f1/addr_gen_mode': '1\n' },
    use: { kind: 'address' },
    what: /has address fe80::8d3c:1f2a:55aa:102\/64$/,
  },
  'a gateway of IPv6': {
    more: { '/proc/net/ipv6_route': sixRoute(NONE, '00', `${FE80}0000000000000001`) },
    use: { kind: 'route', route: '::/0' },
    what: /has the route ::\/0$/,
  },
  'a multicast route': {
    more: { '/proc/net/ipv6_route': sixRoute(`ff02${'0'.repeat(28)}`, '10') },
    use: { kind: 'route', route: 'ff02::/16' },
    what: /has the route ff02::\/16$/,
  },
  'an IPv4 address that may be its own': {
    more: { '/proc/net/fib_trie': '  |-- 192.0.2.1\n     /32 host LOCAL\n' },
    use: { kind: 'hidden' },
    what: /cannot be seen: 192\.0\.2\.1 may be an address of ens1f1$/,
  },
  'virtual functions that are on': {
    files: { [`${NIC}/sriov_numvfs`]: '64\n', [`${NIC}/sriov_totalvfs`]: '64\n' },
    use: { kind: 'vfs', count: 64, interface: 'ens1f1' },
    what: /^64 virtual functions of ens1f1 are on/,
  },
  'virtual functions of which nobody says how many': {
    files: { [`${NIC}/sriov_totalvfs`]: '64\n' },
    use: { kind: 'hidden' },
    what: /cannot be seen: the number of its virtual functions$/,
  },
  'a port representor': {
    files: { [`${NET}/phys_port_name`]: 'pf0vf1\n', [`${NET}/phys_switch_id`]: 'a0369f\n' },
    use: { kind: 'representor', port: 'pf0vf1' },
    what: /ens1f1 of 0000:03:00\.1 is the port representor of pf0vf1$/,
  },
  'a subfunction': {
    files: { '/sys/class/net/sf0': { to: '../../bus/pci/devices/0000:03:00.1/mlx5_core.sf.2/net/sf0' } },
    use: { kind: 'beneath', interface: 'sf0' },
    what: /sf0 is an interface of a device below 0000:03:00\.1$/,
  },
  'a vDPA device': {
    files: { [`${NIC}/vdpa0/features`]: '0x0\n' },
    use: { kind: 'vdpa', name: 'vdpa0' },
    what: /the host uses 0000:03:00\.1 itself: it has the vDPA device vdpa0$/,
  },
  'a vDPA device with a name of its own, of a subfunction': {
    files: {
      '/sys/bus/vdpa/devices/tap-a': {
        to: '../../../devices/pci0000:00/0000:03:00.1/mlx5_core.sf.4/tap-a',
      },
    },
    use: { kind: 'vdpa', name: 'tap-a' },
    what: /itself: it has the vDPA device tap-a$/,
  },
  'RDMA verbs, and processes that are not seen': {
    files: VERBS,
    use: { kind: 'hidden' },
    what: /cannot be seen: a process may have \/dev\/infiniband\/uverbs0 open$/,
  },
  'a controller with a bus of its own': {
    files: {
      '/sys/bus/pci/devices/10000:e1:00.0': {
        to: '../../../devices/pci0000:00/0000:03:00.1/pci10000:e0/10000:e0:01.0/10000:e1:00.0',
      },
    },
    use: { kind: 'bus', address: '10000:e1:00.0' },
    what: /^10000:e1:00\.0 is below 0000:03:00\.1 and goes with it$/,
  },
  'a disk': {
    files: {
      '/sys/class/block/sda1': { to: '../../devices/pci0000:00/0000:03:00.1/ata1/block/sda/sda1' },
      '/proc/self/mountinfo': '30 1 8:1 / / rw - ext4 /dev/sda1 rw\n',
    },
    use: { kind: 'disk', name: 'sda1', use: 'mounted at /' },
    what: /the host has the disk sda1 by 0000:03:00\.1: mounted at \/$/,
  },
}

for (const [title, { files = {}, more = {}, use, what }] of Object.entries(USES)) {
  t.test(`used: ${title}`, async (t) => {
    const root = host(t, files, more)
    const uses = usesOf(root)
    t.match(uses[0], { ...use })
    t.match(wordsOf(uses[0] as Use, '0000:03:00.1').what, what)
    const { pci } = readHostFacts(root)
    const [, nic] = pci
    if (nic === undefined) throw new Error('there is no second NIC')
    t.match(usedByHost(root, nic), { what, exitCode: 69 })
    const told = obstacles(nic, pci, hostUseOf(root))
    t.match(told[0], { what })
    for (const { todo } of told) t.notMatch(todo, /nics bind/, 'safe to follow as it stands')
    t.equal(usedByHost(root, pci[0] as typeof nic) === null, title !== 'an IPv4 address that may be its own')
  })
}

t.test('a process that has the RDMA verbs of a NIC open uses it; the node alone is no use', async (t) => {
  const root = host(t, VERBS)
  writeFiles(root, { ...holdsVerbs(root), '/proc/812/comm': 'ovs-vswitchd\n' })
  const [use, ...more] = usesOf(root)
  t.strictSame(use, { kind: 'verbs', node: 'uverbs0', holder: 'process 812 (ovs-vswitchd)' })
  t.strictSame(more, [])
  t.match(wordsOf(use as Use, '0000:03:00.1'), {
    what: 'the host uses 0000:03:00.1 itself: process 812 (ovs-vswitchd) has /dev/infiniband/uverbs0 open',
    todo: 'choose another NIC, or stop that process first, if the host can do without',
  })
  t.strictSame(usesOf(root, '0000:03:00.0'), [], 'a NIC without RDMA')
  const [nic] = readHostFacts(root).pci.slice(1)
  t.equal(nic === undefined || usedBeyondForce(root, nic), null)

  const other = host(t, VERBS)
  writeFiles(other, holdsVerbs(other, '0000:03:00.2'))
  t.strictSame(usesOf(other), [], 'that of another NIC is open')
  const named = host(t, VERBS)
  writeFiles(named, holdsVerbs(named, '0000:03:00.1', '012000000'))
  t.strictSame(usesOf(named), [], 'named alone, by O_PATH')
  const below = host(t, {
    '/sys/class/infiniband_verbs/uverbs3': {
      to: '../../devices/pci0000:00/0000:03:00.1/mlx5_core.sf.4/infiniband_verbs/uverbs3',
    },
  })
  writeFiles(below, holdsVerbs(below, '0000:03:00.1/mlx5_core.sf.4'))
  t.match(usesOf(below), [{ kind: 'verbs', holder: 'process 812 (unknown)' }], 'that of a subfunction')
})

t.test('what the kernel counts for rdma(8) tells where processes are not seen', async (t) => {
  const root = host(t, VERBS)
  const answer = (ctx?: number) => JSON.stringify([{ ifindex: 0, ifname: 'mlx5_0', pd: 3, cq: 2, ctx }])
  const uses = (search: Partial<OpenNodes>, text: string | null) =>
    verbsOf(
      root,
      '0000:03:00.1' as PciAddress,
      () => ({ holders: new Map(), isComplete: true, ...search }),
      () => text,
    )
  const some = [{ kind: 'verbs', node: 'uverbs0', holder: 'a process' }]
  const hidden = [{ kind: 'hidden' }]
  t.strictSame(uses({}, answer(0)), [])
  t.match(uses({}, answer(1)), some, 'mapped, or on its way from one process to another')
  t.strictSame(uses({}, null), [], 'all processes were seen')
  t.strictSame(uses({ isComplete: false }, answer(0)), [])
  t.match(uses({ isComplete: false }, answer(2)), some)
  for (const text of [null, '', '[]', '{', '[null]', answer(), answer(0).replace('mlx5_0', 'mlx5_1')]) {
    t.match(uses({ isComplete: false }, text), hidden, String(text))
  }
  const asked = () => t.fail('a NIC without RDMA costs nothing') as never
  t.strictSame(verbsOf(root, '0000:03:00.2' as PciAddress, asked, asked), [])
})

t.test('a search is complete when no process keeps its descriptors to itself', async (t) => {
  const root = host(t, VERBS)
  const isComplete = (end = Date.now() + 1000) => openNodes(root, () => true, end).isComplete
  t.notOk(isComplete(), 'no process is there at all')
  writeFiles(root, holdsVerbs(root))
  t.ok(isComplete())
  t.notOk(isComplete(0), 'the time is up')
  // As the kernel refuses it: neither a directory nor gone.
  writeFiles(root, { '/proc/813/fd': 'not to be listed' })
  t.notOk(isComplete())
  rmSync(`${root}/proc/813/fd`)
  t.ok(isComplete(), 'it has ended')
  // A link that may not be read, as AppArmor has it (EACCES): one that is none fails alike.
  writeFiles(root, { '/proc/813/fd/0': 'no link' })
  t.notOk(isComplete())
})

t.test('an address that another interface explains is not its own', async (t) => {
  const trie = { '/proc/net/fib_trie': '  |-- 192.0.2.1\n     /32 host LOCAL\n' }
  const route = 'eno1\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n'
  t.strictSame(usesOf(host(t, {}, { ...trie, '/proc/net/route': route })), [])
  const byGateway = 'eno1\t000200C0\t010200C0\t0003\t0\t0\t0\t00FFFFFF\t0\t0\t0\n'
  t.match(usesOf(host(t, {}, { ...trie, '/proc/net/route': byGateway })), [{ kind: 'hidden' }])
})

t.test('a hash that the kernel makes up is its own where it says so', async (t) => {
  const more = { '/proc/net/if_inet6': `${FE80}8d3c1f2a55aa0102 03 40 20 80   ens1f1\n` }
  const mode = '/proc/sys/net/ipv6/conf/ens1f1/addr_gen_mode'
  t.strictSame(usesOf(host(t, { [mode]: '2\n' }, more)), [])
  t.match(usesOf(host(t, { [mode]: '0\n' }, more)), [{ kind: 'address' }])
  const byHand = { '/proc/net/if_inet6': `${FE80}0000000000000001 03 40 20 80   ens1f1\n` }
  t.match(usesOf(host(t, { [mode]: '2\n' }, byHand)), [{ kind: 'address' }])
})

t.test('what cannot be looked into counts as used', async (t) => {
  for (const file of ['dev', 'route', 'fib_trie', 'if_inet6']) {
    const root = host(t, { '/proc/sys/net/ipv6/conf/all/forwarding': '0\n' })
    rmSync(`${root}/proc/net/${file}`)
    t.match(usesOf(root), [{ kind: 'hidden', what: /^ens1f1/ }], file)
  }
  const moved = host(t)
  const dev = `${moved}/proc/net/dev`
  writeFileSync(dev, readFileSync(dev, 'utf8').replace(/^.*ens1f1.*\n/m, ''))
  t.match(usesOf(moved), [{ kind: 'hidden', what: 'ens1f1 is not in the network namespace of this process' }])
})

t.test('without IPv6 in the kernel there is nothing of it to see', async (t) => {
  const root = host(t)
  rmSync(`${root}/proc/net/if_inet6`)
  rmSync(`${root}/proc/net/ipv6_route`)
  t.strictSame(usesOf(root), [])
})

t.test('a NIC without an interface here is in another namespace, or a program has it', async (t) => {
  const root = host(t)
  rmSync(`${root}${NIC}/net`, { recursive: true })
  rmSync(`${root}/sys/class/net/ens1f1`)
  t.strictSame(usesOf(root), [{ kind: 'unseen', driver: 'igb' }])
  t.match(wordsOf({ kind: 'unseen', driver: 'igb' }, 'x').what, /igb has it, without an interface/)
})

t.test(
  'a device that vfio-pci has, or no driver, the host does not use; one that is gone is not known',
  async (t) => {
    const root = t.testdir({}) as Root
    hostWithKernel(
      root,
      FOUR.map((nic, index) => ({ ...nic, driver: ['vfio-pci', null, 'igb', 'pci-stub'][index] ?? null })),
    )
    t.strictSame(usesOf(root, '0000:03:00.0'), [])
    t.strictSame(usesOf(root, '0000:03:00.1'), [])
    t.strictSame(usesOf(root, '0000:03:00.3'), [])
    t.match(usesOf(root, '0000:09:00.0'), [{ kind: 'hidden' }])
  },
)

t.test('it is looked at anew each time', async (t) => {
  const root = host(t)
  const useOf = hostUseOf(root)
  t.strictSame(useOf({ address: '0000:03:00.1' }), [])
  writeFiles(root, { [`${NET}/upper_br0`]: { to: '../br0' } })
  t.match(useOf({ address: '0000:03:00.1' }), [{ kind: 'upper' }])
})

/** A controller of the host's beside the NICs. */
const controller = (classCode: string, driver: string): Files => ({
  '/sys/bus/pci/devices/0000:00:17.0/uevent': uevent(driver, '8086:8c02', classCode),
  '/sys/bus/pci/devices/0000:00:17.0/driver': { to: `../../drivers/${driver}` },
  '/sys/bus/pci/devices/0000:00:17.0/iommu_group': { to: '../../../kernel/iommu_groups/5' },
})

const block = (name: string, below: string, number: string): Files => ({
  [`/sys/class/block/${name}`]: { to: `../../devices/pci0000:00/0000:00:17.0/${below}` },
  [`/sys/devices/pci0000:00/0000:00:17.0/${below}/dev`]: `${number}\n`,
  [`/sys/devices/pci0000:00/0000:00:17.0/${below}/size`]: '1000\n',
})

t.test(
  'a device that is no NIC is named as what it is, and taken by force only when it has no disk',
  async (t) => {
    const usb = host(t, controller('c0330', 'xhci_hcd'))
    const deviceOf = (root: Root) => {
      const found = readHostFacts(root).pci.find(({ address }) => address === '0000:00:17.0')
      if (found === undefined) throw new Error('not there')
      return found
    }
    t.match(usedByHost(usb, deviceOf(usb)), { what: '0000:00:17.0 is a USB controller, not a NIC' })
    t.equal(usedBeyondForce(usb, deviceOf(usb)), null)
    const disks: Readonly<Record<string, { files: Files; use: string | null }>> = {
      mounted: {
        files: { '/proc/self/mountinfo': '30 1 8:1 / /srv rw,noatime - ext4 /dev/sda1 rw\n' },
        use: 'mounted at /srv',
      },
      'mounted, as btrfs shows it': {
        files: { '/proc/self/mountinfo': '30 1 0:35 /@ / rw shared:1 - btrfs /dev/sda1 rw\n' },
        use: 'mounted at /',
      },
      'swapped on': {
        files: { '/proc/swaps': 'Filename\tType\tSize\n/dev/sda1   partition\t100\t0\t-2\n' },
        use: 'swap',
      },
      'mapped and mounted': {
        files: {
          '/sys/devices/pci0000:00/0000:00:17.0/ata1/block/sda/sda1/holders/dm-0': { to: '../../dm-0' },
          '/sys/class/block/dm-0': { to: '../../devices/virtual/block/dm-0' },
          '/sys/devices/virtual/block/dm-0/dev': '253:0\n',
          '/proc/self/mountinfo': '30 1 253:0 / /home rw - xfs /dev/mapper/home rw\n',
        },
        use: 'mounted at /home, by dm-0',
      },
      'of an array': {
        files: {
          '/sys/devices/pci0000:00/0000:00:17.0/ata1/block/sda/sda1/holders/md0': { to: '../../md0' },
        },
        use: 'part of md0',
      },
      'for what is not seen': { files: {}, use: null },
    }
    for (const [title, { files, use }] of Object.entries(disks)) {
      const root = host(t, {
        ...controller('10601', 'ahci'),
        ...block('sda1', 'ata1/block/sda/sda1', '8:1'),
        ...files,
      })
      t.match(usesOf(root, '0000:00:17.0')[1], { kind: 'disk', name: 'sda1', use }, title)
      t.ok(usedBeyondForce(root, deviceOf(root)), `${title}: not even by force`)
    }
    const empty = host(t, controller('c0330', 'xhci_hcd'))
    writeFiles(empty, {
      '/sys/class/block/sr0': { to: '../../devices/pci0000:00/0000:00:17.0/usb1/block/sr0' },
      '/sys/devices/pci0000:00/0000:00:17.0/usb1/block/sr0/size': '0\n',
    })
    t.equal(usesOf(empty, '0000:00:17.0').length, 1, 'a drive without a medium is none')
  },
)

t.test('force goes for a NIC with addresses, and not for one whose virtual functions are on', async (t) => {
  t.ok(isForcible([]))
  t.ok(isForcible([{ kind: 'address', interface: 'eth0', address: '192.0.2.1/24' }]))
  t.notOk(isForcible([{ kind: 'vfs', count: 1, interface: null }]))
  t.ok(isForcible([{ kind: 'not-network', classCode: 0x030000 }]))
  t.notOk(
    isForcible([
      { kind: 'not-network', classCode: 0x0c0330 },
      { kind: 'address', interface: 'eth0', address: '192.0.2.1/24' },
    ]),
  )
})

t.test('a captured host has it in a file, and what that does not say is not known', async (t) => {
  const root = host(t)
  const write = (text: string) => writeFileSync(root + CAPTURED_USES_PATH, text)
  write(
    '{"version":1,"uses":{"0000:03:00.0":[],"0000:03:00.1":[{"kind":"upper","interface":"a","upper":"b"}]}}',
  )
  t.strictSame(usesOf(root, '0000:03:00.0'), [])
  t.match(usesOf(root), [{ kind: 'upper', upper: 'b' }])
  t.match(usesOf(root, '0000:03:00.2'), [{ kind: 'hidden' }])
  for (const broken of [
    '',
    '{',
    '[]',
    '{"version":2,"uses":{}}',
    '{"version":1,"uses":{"0000:03:00.0":[1]}}',
  ]) {
    write(broken)
    t.match(usesOf(root, '0000:03:00.0'), [{ kind: 'hidden' }], broken)
  }
  const later = { kind: 'of-a-later-version' } as unknown as Use
  t.match(wordsOf(later, '0000:03:00.0').what, /cannot be seen: of-a-later-version$/)
})

t.test('a host of which nothing is known may use everything', async (t) => {
  const root = host(t)
  rmSync(`${root}/proc`, { recursive: true })
  for (const device of readHostFacts(root).pci) t.match(usedByHost(root, device), { exitCode: 69 })
})
