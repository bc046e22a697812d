import { writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { bindNamed } from '../../src/commands/nics/bind.js'
import { unbindNamed } from '../../src/commands/nics/unbind.js'
import { writeHookRequest } from '../../src/launch/hook-requests.js'
import { driversOf, FOUR, hostWithKernel } from '../bind/stand-in-kernel.js'
import { writeFiles } from '../host/made-host.js'
import { address } from '../plan/make.js'

const CONFIG = '[nic.fieldbus0]\nmac = "a0:36:9f:00:00:02"\n[nic.line]\nid = "8086:1521"\npool = true\n'

function host(t: Test) {
  const root = t.testdir({ 'rt.toml': CONFIG })
  const { write } = hostWithKernel(root, FOUR)
  const options = { sysroot: root, config: `${root}/rt.toml` }
  const said: string[] = []
  const say = (line: string) => said.push(line)
  return {
    root,
    said,
    bind: (name: string, force = false) => bindNamed(name, { ...options, force }, write, say),
    unbind: (name: string) => unbindNamed(name, options, write, say),
    drivers: () => driversOf(root, FOUR),
  }
}

t.test('a NIC goes to vfio-pci and back, and is found by its MAC all the while', async (t) => {
  const { said, bind, unbind, drivers } = host(t)
  await bind('fieldbus0')
  t.strictSame(drivers(), ['igb', 'igb', 'vfio-pci', 'igb'])
  await bind('fieldbus0')
  await unbind('fieldbus0')
  t.strictSame(drivers(), ['igb', 'igb', 'igb', 'igb'])
  await unbind('fieldbus0')
  const named = '0000:03:00.2 (ens1f2, a0:36:9f:00:00:02'
  t.strictSame(said, [
    `${named}): igb → vfio-pci, until the next boot`,
    `${named}, vfio-pci): has vfio-pci already`,
    `${named}, vfio-pci): vfio-pci → igb`,
    `${named}): has igb already`,
  ])
})

t.test('a pool goes as a whole, and a device by its address', async (t) => {
  const { bind, unbind, drivers } = host(t)
  await bind('line')
  t.strictSame(drivers(), ['vfio-pci', 'vfio-pci', 'vfio-pci', 'vfio-pci'])
  await unbind('0000:03:00.1')
  t.strictSame(drivers(), ['vfio-pci', 'igb', 'vfio-pci', 'vfio-pci'])
})

t.test('one that the host uses is taken by force alone', async (t) => {
  const { root, bind, drivers } = host(t)
  writeFiles(root, { '/proc/net/route': '' })
  writeFileSync(`${root}/proc/net/route`, 'Iface\nens1f3\t00000000\n')
  await t.rejects(bind('line'), {
    message:
      "NIC 'line' is not ready: the host uses 0000:03:00.3 itself: ens1f3 has addresses; take it out of that use first, " +
      'or take it away all the same: qemu-rt nics bind --force 0000:03:00.3',
    exitCode: 69,
  })
  t.strictSame(drivers(), ['igb', 'igb', 'igb', 'igb'], 'none is changed')
  await bind('line', true)
  t.strictSame(drivers(), ['vfio-pci', 'vfio-pci', 'vfio-pci', 'vfio-pci'])
})

t.test('one that a VM has is not given back', async (t) => {
  const { root, bind, unbind, drivers } = host(t)
  await bind('fieldbus0')
  writeHookRequest(root, {
    uuid: 'c1b6c8a4-5d8e-4a9b-9d4c-6f5e4d3c2b1a',
    guest: 'plc-1',
    profile: null,
    nics: null,
    flavor: null,
    instance: null,
    assigned: [{ name: 'fieldbus0', address: address('0000:03:00.2') }],
    taken: [],
  })
  await t.rejects(unbind('fieldbus0'), {
    message: /^0000:03:00\.2 \(.*\) is held by guest 'plc-1'; stop that VM first$/,
    exitCode: 69,
  })
  t.strictSame(drivers(), ['igb', 'igb', 'vfio-pci', 'igb'])
})

t.test('a device in no IOMMU group cannot be given to a VM, so it is not bound', async (t) => {
  const { root, bind } = host(t)
  writeFiles(root, {
    '/sys/bus/pci/devices/0000:04:00.0/uevent': 'DRIVER=e1000e\nPCI_CLASS=20000\nPCI_ID=8086:10D3\n',
  })
  await t.rejects(bind('0000:04:00.0'), {
    message: /0000:04:00\.0 is in no IOMMU group; turn on VT-d/,
    exitCode: 69,
  })
})
