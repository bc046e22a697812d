import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readlinkSync } from 'node:fs'
import t, { type Test } from 'tap'
import type { Root } from '../../src/host/sysroot.js'
import { hostUseOf } from '../../src/host/use/host-use.js'
import { interfacesOf } from '../../src/host/use/interfaces.js'
import { ownNamespace } from '../../src/host/use/look-into.js'
import { numbersIn, readNamespaces, uppersIn, viewsOf } from '../../src/host/use/namespaces.js'
import { usesByIp } from '../../src/host/use/net-ip.js'
import { FOUR, hostWithKernel } from '../change/stand-in-kernel.js'
import { needs, unmet } from '../e2e/needs.js'
import { address } from '../plan/make.js'

/*
 * What the real kernel and iproute2 say, in a network namespace of its own, put beneath a stand-in for the devices: there
 * are no PCI NICs to play with where the tests run.
 */

const NICS = FOUR.map((nic, index) => ({ ...nic, interface: `eth${index}` }))

/** Makes four interfaces and does with them what a test wants, then copies what the kernel says of them to `$ROOT`. */
const SCRIPT = `
set -e
mount -t sysfs sysfs /sys
ip link set lo up
for i in 0 1 2 3; do
  ip link add eth$i type veth peer name peer$i
  ip link set eth$i up
  ip link set peer$i up
done
eval "$SETUP"
sleep 0.2
for file in dev route fib_trie if_inet6 ipv6_route; do cat /proc/net/$file >"$ROOT/proc/net/$file"; done
for i in 0 1 2 3; do
  device="$ROOT/sys/bus/pci/devices/0000:03:00.$i/net/eth$i"
  cat /sys/class/net/eth$i/ifindex >"$device/ifindex"
  for link in /sys/class/net/eth$i/upper_* /sys/class/net/eth$i/master; do
    if [ -L "$link" ]; then cp -P "$link" "$device/"; fi
  done
  mkdir -p "$ROOT/proc/sys/net/ipv6/conf/eth$i"
  cat /proc/sys/net/ipv6/conf/eth$i/addr_gen_mode >"$ROOT/proc/sys/net/ipv6/conf/eth$i/addr_gen_mode"
done
ip -json address show >"$ROOT/addresses"
ip -json -4 route show table all >"$ROOT/routes"
ip -json -6 route show table all >"$ROOT/routes6"
`

/** @returns the host's root; null where it cannot be made */
function realNetwork(t: Test, setup: string): Root | null {
  if (!needs(t, ['ip', 'unshare', 'nsenter', 'lsns'])) return null
  if (process.getuid?.() !== 0) {
    unmet(t, 'not root, who may make network namespaces')
    return null
  }
  const root = t.testdir({}) as Root
  hostWithKernel(root, NICS)
  const env = { ...process.env, ROOT: root, SETUP: setup }
  const { status, stderr } = spawnSync('unshare', ['--net', '--mount', 'sh', '-c', SCRIPT], {
    env,
    encoding: 'utf8',
  })
  if (status !== 0 && /Unknown device type|not permitted|not supported/i.test(stderr)) {
    unmet(t, `this kernel does not do it: ${stderr.trim()}`)
    return null
  }
  t.equal(stderr, '')
  return root
}

function byFiles(root: Root): string[] {
  const useOf = hostUseOf(root)
  return FOUR.map((nic) => useOf(nic).map(({ kind }) => kind)).map((kinds) => kinds.join(' '))
}

function byIp(root: Root): string[][] {
  const read = (name: string) => readFileSync(`${root}/${name}`, 'utf8')
  const answers = { addresses: read('addresses'), routes: read('routes'), routesOfSix: read('routes6') }
  return NICS.map((nic) =>
    usesByIp(answers, nic.interface).map((use) => {
      if (use.kind === 'address') return use.address
      return use.kind === 'route' ? use.route : use.kind
    }),
  )
}

t.test('interfaces that are up and have what the kernel gives each are not used', async (t) => {
  const root = realNetwork(t, '')
  if (root === null) return
  t.match(readFileSync(`${root}/proc/net/if_inet6`, 'utf8'), /^fe80\w+ \w+ 40 20 \w+ +eth0$/m)
  t.strictSame(byFiles(root), ['', '', '', ''])
  t.strictSame(byIp(root), [[], [], [], []])
})

t.test('addresses without a route, and routes of other tables', async (t) => {
  const root = realNetwork(
    t,
    `ip address add 192.0.2.1/24 dev eth0 noprefixroute
     ip route add 198.51.100.0/24 dev eth1 table 100
     ip route add blackhole 203.0.113.0/24 table 100
     ip -6 route add 2001:db8::/64 dev eth2 table 100
     ip -6 address add 2001:db8:1::1/64 dev eth3 noprefixroute nodad`,
  )
  if (root === null) return
  t.strictSame(byIp(root), [
    ['192.0.2.1/24', '192.0.2.1 in table local', '192.0.2.255 in table local'],
    ['198.51.100.0/24 in table 100'],
    ['2001:db8::/64 in table 100'],
    ['2001:db8:1::1 in table local'],
  ])
  // The files do not say whose the IPv4 address is, so it may be any that has nothing else.
  t.strictSame(byFiles(root), ['hidden', 'hidden', 'route', 'address route'])
})

t.test('routes of the main table, by gateway, by several, and by IPv6', async (t) => {
  const root = realNetwork(
    t,
    `ip address add 192.0.2.1/24 dev eth0
     ip route add 198.51.100.0/24 dev eth1
     ip route add 203.0.113.0/24 nexthop dev eth1 nexthop dev eth2
     ip -6 route add default via fe80::1 dev eth3`,
  )
  if (root === null) return
  t.strictSame(byIp(root).slice(1), [['198.51.100.0/24', '203.0.113.0/24'], ['203.0.113.0/24'], ['default']])
  t.strictSame(byFiles(root), ['route', 'route route', '', 'route'])
})

t.test('addresses of scope link and host, a secondary one, and a router’s fe80::1', async (t) => {
  const root = realNetwork(
    t,
    `ip address add 169.254.1.1/16 dev eth0 scope link
     ip address add 192.0.2.5/32 dev eth1 scope host
     ip -6 address add fe80::1/64 dev eth2 nodad
     ip address add 192.0.2.77/32 peer 192.0.2.78 dev eth3`,
  )
  if (root === null) return
  for (const [index, own] of [
    [0, '169.254.1.1/16'],
    [1, '192.0.2.5/32'],
    [3, '192.0.2.77/32'],
  ] as const) {
    t.ok(byIp(root)[index]?.includes(own), own)
  }
  t.match(hostUseOf(root)({ address: '0000:03:00.2' }), [{ kind: 'address', address: 'fe80::1/64' }])
})

t.test('bridges and macvtaps above an interface', async (t) => {
  const root = realNetwork(
    t,
    `ip link add br0 type bridge
     ip link set eth0 master br0
     ip link add link eth1 name macvtap0 type macvtap mode bridge
     ip link add link eth2 name macvlan0 type macvlan mode private`,
  )
  if (root === null) return
  t.strictSame(byFiles(root), ['upper', 'upper', 'upper', ''])
  t.match(hostUseOf(root)({ address: '0000:03:00.0' }), [{ upper: 'br0', isMaster: true }])
})

t.test('a macvlan that was moved to another network namespace', async (t) => {
  const root = realNetwork(
    t,
    `ip link add link eth2 name macvlan0 type macvlan mode private
     unshare --net sleep 60 & pid=$!
     while [ "$(readlink /proc/$pid/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.1; done
     ip link set macvlan0 netns $pid
     nsenter --net=/proc/$pid/ns/net ip -json -details link show >"$ROOT/links"
     nsenter --net=/proc/$pid/ns/net lsns --json --type net --output NS,NETNSID >"$ROOT/numbers"
     readlink /proc/self/ns/net >"$ROOT/own"
     kill $pid`,
  )
  if (root === null) return
  t.strictSame(byFiles(root), ['', '', '', ''], 'the kernel leaves no link at the interface below')
  const read = (name: string) => readFileSync(`${root}/${name}`, 'utf8')
  const view = { id: 'net:[1]', links: read('links'), numbers: () => read('numbers') }
  const uppers = (own: string) =>
    FOUR.flatMap((nic) => uppersIn(view, interfacesOf(root, address(nic.address)), own))
  t.strictSame(uppers(read('own').trim()), [
    { kind: 'upper-elsewhere', interface: 'eth2', upper: 'macvlan0 (net:[1])' },
  ])
  t.strictSame(uppers('net:[1]'), [
    { kind: 'hidden', what: 'network namespace net:[1] cannot be looked into' },
  ])
  const unlisted = { ...view, numbers: () => read('numbers').replace('"0"', '"unassigned"') }
  const below = interfacesOf(root, address('0000:03:00.2'))
  t.strictSame(
    uppersIn(unlisted, below, read('own').trim()),
    [],
    'a device above one of yet another namespace',
  )
  for (const numbers of [() => null, () => '{', () => '{}']) {
    t.match(uppersIn({ ...view, numbers }, below, read('own').trim()), [{ kind: 'hidden' }])
  }
  t.match(uppersIn({ ...view, links: null }, [], null), [{ kind: 'hidden', what: /net:\[1\]/ }])
})

t.test('namespaces of processes are found and looked into', async (t) => {
  if (!needs(t, ['ip', 'unshare', 'nsenter', 'lsns'])) return
  if (process.getuid?.() !== 0) {
    unmet(t, 'not root, who may make network namespaces')
    return
  }
  const script =
    'ip link add eth0 type veth peer name of-this-test && readlink /proc/self/ns/net && exec sleep 60'
  const child = spawn('unshare', ['--net', 'sh', '-c', script], { stdio: ['ignore', 'pipe', 'ignore'] })
  t.teardown(() => child.kill())
  const [id] = (await once(child.stdout, 'data')).map((chunk) => String(chunk).trim())
  t.match(id, /^net:\[\d+\]$/)
  const found = readNamespaces()
  t.notOk(
    found.some((one) => one.id === ownNamespace()),
    'its own is not among them',
  )
  const view = found.find((one) => one.id === id)
  t.match(view?.links, /"ifname":"of-this-test"/)
  t.match(view?.numbers(), /"netnsid"/)
})

/** Whether this can make network namespaces. */
function canMakeNamespaces(t: Test): boolean {
  if (!needs(t, ['ip', 'unshare', 'nsenter', 'lsns'])) return false
  if (process.getuid?.() === 0) return true
  unmet(t, 'not root, who may make network namespaces')
  return false
}

/** Starts a shell in a network namespace of its own, with a script that prints something when it is ready. */
async function inNamespace(t: Test, script: string): Promise<{ readonly id: string; readonly path: string }> {
  const stdio = ['ignore', 'pipe', 'ignore'] as const
  const child = spawn('unshare', ['--net', 'sh', '-c', script], { stdio: [...stdio], detached: true })
  t.teardown(() => process.kill(-(child.pid ?? 0)))
  await once(child.stdout, 'data')
  return { id: readlinkSync(`/proc/${child.pid}/ns/net`), path: `/proc/${child.pid}/ns/net` }
}

/** Longer than any process's number may be (proc_sys_kernel(5), pid_max). */
const NO_PATH = '/proc/99999999/ns/net'

const PAIR = 'ip link add eth0 type veth peer name of-this-test'

t.test('a namespace that has ended is no use, and one that stays is found wherever it is', async (t) => {
  if (!canMakeNamespaces(t)) return
  const real = await inNamespace(t, `${PAIR}; echo ready; sleep 60`)
  const later = Date.now() + 60_000
  t.strictSame(viewsOf([{ id: 'net:[1]', path: NO_PATH }], later), [], 'no process has it')
  t.strictSame(
    viewsOf([{ id: 'net:[1]', path: real.path }], later),
    [],
    'the number of its process is that of another one now',
  )
  for (const path of [NO_PATH, '/proc/self/ns/net']) {
    const [view] = viewsOf([{ ...real, path }], later)
    t.match(view?.links, /"ifname":"of-this-test"/, `its process has left it to others: ${path}`)
  }
  t.match(viewsOf([real], 0), [{ id: real.id, links: null }], 'no time is left')
})

t.test('namespaces that come and go all the time hide nothing', async (t) => {
  if (!canMakeNamespaces(t)) return
  const LOOP = 'echo ready; while :; do unshare --net sleep 0.02; done'
  for (let loops = 0; loops < 8; loops++) await inNamespace(t, LOOP)
  for (let times = 0; times < 6; times++) {
    const hidden = readNamespaces().filter(({ links }) => links === null)
    t.strictSame(hidden, [], `look ${times}`)
  }
})

t.test('a namespace with its loopback interface alone is seen without a program', async (t) => {
  if (!canMakeNamespaces(t)) return
  const empty = await inNamespace(t, 'echo ready; sleep 60')
  const renamed = await inNamespace(t, 'ip link set lo name eth0; echo ready; sleep 60')
  t.match(viewsOf([empty, renamed], 0), [
    { id: empty.id, links: '[]' },
    { id: renamed.id, links: '[]' },
  ])
  const second = await inNamespace(
    t,
    `ip link set lo name x; ip link add lo type dummy; ${PAIR}; echo ready; sleep 60`,
  )
  t.match(viewsOf([second, empty], 0), [{ id: second.id, links: null }, { links: '[]' }])
})

t.test('a namespace that ends between two questions is no use', async (t) => {
  if (!canMakeNamespaces(t)) return
  const found = uppersIn(
    {
      id: 'net:[1]',
      links: JSON.stringify([
        { ifname: 'v', link_index: 2, link_netnsid: 0, linkinfo: { info_kind: 'vlan' } },
      ]),
      numbers: () => numbersIn({ id: 'net:[1]', path: NO_PATH }),
    },
    [{ name: 'eth0', index: 2, isOwn: true, path: '' }],
    'net:[2]',
  )
  t.strictSame(found, [])
})
