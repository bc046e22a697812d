import { mkdirSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { usedByHost } from '../../src/change/obstacle.js'
import { readHostFacts } from '../../src/host/read.js'
import type { Root } from '../../src/host/sysroot.js'
import { FOUR, hostWithKernel } from '../change/stand-in-kernel.js'
import { writeFiles } from './made-host.js'

const ROUTES = 'Iface\tDestination\tGateway \tFlags\nens1f10\t0\t0\t1\nens1f1\t00000000\t0100A8C0\t0003\n'
const LOCAL = 'fe800000000000000000000000000001 02 40 20 80   ens1f0\n'
const GLOBAL = '20010db8000000000000000000000001 03 40 00 80   ens1f2\n'

t.test('a NIC that the host uses itself is not taken from it', async (t) => {
  const root = t.testdir({}) as Root
  hostWithKernel(root, FOUR)
  mkdirSync(`${root}/proc/net`, { recursive: true })
  writeFileSync(`${root}/proc/net/route`, ROUTES)
  writeFileSync(`${root}/proc/net/if_inet6`, LOCAL + GLOBAL)
  writeFiles(root, { '/sys/bus/pci/devices/0000:03:00.3/net/ens1f3/master': { to: '../br0' } })
  const [free, routed, addressed, bridged] = readHostFacts(root).pci.map((device) => usedByHost(root, device))
  t.equal(free, null, 'a link-local address has every link')
  t.match(routed, {
    what: 'the host uses 0000:03:00.1 itself: ens1f1 has addresses',
    todo: 'take it out of that use first, or take it away all the same: qemu-rt nics bind --force 0000:03:00.1',
    exitCode: 69,
  })
  t.match(addressed, { what: 'the host uses 0000:03:00.2 itself: ens1f2 has addresses' })
  t.match(bridged, { what: 'the host uses 0000:03:00.3 itself: ens1f3 is part of br0' })
})

t.test('a host of which nothing is known uses nothing', async (t) => {
  const root = t.testdir({}) as Root
  hostWithKernel(root, FOUR)
  t.strictSame(
    readHostFacts(root).pci.map((device) => usedByHost(root, device)),
    [null, null, null, null],
  )
})
