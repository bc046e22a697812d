import t from 'tap'
import { readHostFacts } from '../../src/host/read.js'
import { device, madeHost, uevent } from './made-host.js'

const NIC = '/sys/devices/pci0000:00/0000:03:00.0'
const nicHost = {
  [device('0000:03:00.0')]: { to: '../../../devices/pci0000:00/0000:03:00.0' },
  [`${NIC}/uevent`]: uevent('igb'),
  [`${NIC}/net/ens1f0/address`]: 'a0:36:9f:12:34:54\n',
  [`${NIC}/net/ens1f0/ifindex`]: '3\n',
  '/sys/class/net/ens1f0': { to: '../../devices/pci0000:00/0000:03:00.0/net/ens1f0' },
}

t.test('a bond gives its members its own MAC; theirs is in perm_hwaddr', async (t) => {
  const root = madeHost(t, {
    ...nicHost,
    [`${NIC}/net/ens1f0/address`]: '02:00:00:00:00:99\n',
    [`${NIC}/net/ens1f0/bonding_slave/perm_hwaddr`]: 'a0:36:9f:12:34:54\n',
  })
  t.equal(readHostFacts(root).pci[0]?.interfaces[0]?.mac, 'a0:36:9f:12:34:54')
})

t.test(
  'altnames are udev’s names but the interface’s own, in the order of AlternativeNamesPolicy',
  async (t) => {
    const record = [
      'I:4711',
      'E:ID_NET_NAME_MAC=enxa0369f123454',
      'E:ID_NET_NAME_PATH=enp3s0f0',
      'E:ID_NET_NAME_SLOT=ens1f0',
      'E:ID_NET_NAME_ONBOARD=eno3',
      'E:ID_NET_NAME_FROM_DATABASE=line1',
      'E:ID_NET_NAME=ens1f0',
      'E:ID_NET_NAME_ALLOW=1',
      'G:systemd',
    ]
    const root = madeHost(t, { ...nicHost, '/run/udev/data/n3': record.join('\n') })
    t.strictSame(readHostFacts(root).pci[0]?.interfaces, [
      {
        name: 'ens1f0',
        altnames: ['line1', 'eno3', 'enp3s0f0', 'enxa0369f123454'],
        mac: 'a0:36:9f:12:34:54',
      },
    ])
  },
)

t.test('a virtual function that was given no address has no MAC', async (t) => {
  const root = madeHost(t, { ...nicHost, [`${NIC}/net/ens1f0/address`]: '00:00:00:00:00:00\n' })
  t.equal(readHostFacts(root).pci[0]?.interfaces[0]?.mac, null)
})

t.test('an InfiniBand address is no MAC', async (t) => {
  const address = 'a0:00:02:20:fe:80:00:00:00:00:00:00:e4:1d:2d:03:00:aa:bb:cc\n'
  const root = madeHost(t, { ...nicHost, [`${NIC}/net/ens1f0/address`]: address })
  t.strictSame(readHostFacts(root).pci[0]?.interfaces, [{ name: 'ens1f0', altnames: [], mac: null }])
})

t.test('a virtio NIC’s interface is one level deeper', async (t) => {
  const net = '/sys/devices/pci0000:00/0000:03:00.0/virtio2/net/eth0'
  const root = madeHost(t, {
    [device('0000:03:00.0')]: { to: '../../../devices/pci0000:00/0000:03:00.0' },
    [`${NIC}/uevent`]: uevent('virtio-pci', '1AF4:1041'),
    [`${net}/address`]: '02:fc:00:00:00:01\n',
    '/sys/class/net/eth0': { to: `../..${net.slice('/sys'.length)}` },
  })
  t.equal(readHostFacts(root).pci[0]?.interfaces[0]?.mac, '02:fc:00:00:00:01')
})

t.test(
  'an adapter behind a USB controller is not the controller’s interface, nor is a bond or a bridge',
  async (t) => {
    const usb = '/sys/devices/pci0000:00/0000:03:00.0/usb1/1-1/1-1:1.0/net/enx001122334455'
    const root = madeHost(t, {
      [device('0000:03:00.0')]: { to: '../../../devices/pci0000:00/0000:03:00.0' },
      [`${NIC}/uevent`]: uevent('xhci_hcd', '8086:8C31', 'C0330'),
      [`${usb}/address`]: '00:11:22:33:44:55\n',
      '/sys/class/net/enx001122334455': { to: `../..${usb.slice('/sys'.length)}` },
      '/sys/class/net/bonding_masters': 'bond0\n',
      '/sys/class/net/br0': { to: '../../devices/virtual/net/br0' },
    })
    t.strictSame(readHostFacts(root).pci[0]?.interfaces, [])
  },
)

t.test('several interfaces of one device stand in the order in which they were made', async (t) => {
  const root = madeHost(t, {
    ...nicHost,
    [`${NIC}/net/ens1f0/ifindex`]: '12\n',
    [`${NIC}/net/a-representor/address`]: '02:00:00:00:00:01\n',
    [`${NIC}/net/a-representor/ifindex`]: '100\n',
    '/sys/class/net/a-representor': { to: '../../devices/pci0000:00/0000:03:00.0/net/a-representor' },
  })
  const names = readHostFacts(root).pci[0]?.interfaces.map(({ name }) => name)
  t.strictSame(names, ['ens1f0', 'a-representor'])
})

t.test('a captured host without /sys/class has its interfaces in the devices’ net directories', async (t) => {
  const { '/sys/class/net/ens1f0': _, ...files } = nicHost
  t.equal(readHostFacts(madeHost(t, files)).pci[0]?.interfaces[0]?.name, 'ens1f0')
})

t.test('an interface that a domain has named, a tap or a macvtap, is nobody’s name', async (t) => {
  const link = (name: string) => ({ to: `../../devices/virtual/net/${name}` })
  const root = madeHost(t, {
    '/sys/bus/pci/x': '',
    '/sys/class/net/br0': link('br0'),
    '/sys/devices/virtual/net/br0/ifindex': '2\n',
    // libvirt: <target dev='ens1f0'/> of an <interface>.
    '/sys/class/net/ens1f0': link('ens1f0'),
    '/sys/devices/virtual/net/ens1f0/tun_flags': '0x5102\n',
    '/sys/class/net/ens1f1': link('ens1f1'),
    '/sys/devices/virtual/net/ens1f1/macvtap/tap7/dev': '241:1\n',
  })
  t.strictSame(readHostFacts(root).otherInterfaces, ['br0'])
})
