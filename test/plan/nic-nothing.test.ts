import t from 'tap'
import type { PciDevice, UncountedEntry } from '../../src/host/facts.js'
import { checkInventory } from '../../src/host/inventory.js'
import { NEW_VM } from '../../src/record/vm.js'
import { parseMac } from '../../src/units/mac.js'
import { address, FOUR_NICS, NAMED, planOf, readyNic, withNic } from './make.js'

/** What a name that means nothing is told, and by which configuration. */
function told(config: string, pci: readonly PciDevice[], facts: Parameters<typeof planOf>[1] = {}): string {
  const name = /^\[nic\.(\S+)\]/.exec(config)?.[1] ?? config
  const given = config === name ? {} : { config }
  try {
    planOf([...NAMED, '-device', `vfio-pci,host=nic:${name}`], { ...given, pci, ...facts })
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  throw new Error(`${name} means a device`)
}

/** A physical function with its kernel driver, and its virtual functions on vfio-pci. */
function card(
  bus: string,
  name: string,
  enabled: number,
  total: number,
  facts: Partial<PciDevice> = {},
): PciDevice[] {
  const pf = readyNic(`0000:${bus}:00.0`, name, `02:00:00:00:${bus}:00`, {
    driver: 'i40e',
    inventory: null,
    interfaces: [{ name, altnames: [`${name}alt`], mac: parseMac(`02:00:00:00:${bus}:00`) }],
    sriov: { enabled, total },
    ...facts,
  })
  const vfs = Array.from({ length: enabled }, (_, index) =>
    readyNic(`0000:${bus}:02.${index}`, `${name}v${index}`, `02:00:00:00:${bus}:1${index}`, {
      virtualFunction: { pf: pf.address, index },
      device: '154c',
    }),
  )
  return [pf, ...vfs]
}

const OFF = card('3b', 'ens1f0', 0, 64)
const ON = card('af', 'ens2f0', 4, 64)
const BOTH = [...OFF, ...ON]

t.test('a physical function without virtual functions on says so, whatever way it is named', async (t) => {
  const off =
    'ens1f0 (0000:3b:00.0) has no virtual functions on (0 of 64); ' +
    'run as root: echo N > /sys/bus/pci/devices/0000:3b:00.0/sriov_numvfs'
  for (const pf of ['ens1f0', 'ens1f0alt', '02:00:00:00:3b:00', '0000:3b:00.0', '3b:00.0']) {
    for (const more of ['vf = 0', 'vf = 63', 'pool = true', 'pool = true\nid = "8086:154c"']) {
      const line = told(`[nic.x]\npf = "${pf}"\n${more}\n`, BOTH)
      t.ok(line.includes(`matches no device of this host: ${off}`), line)
      t.notMatch(line, /0000:af/, 'the virtual functions of another are not proposed')
      t.ok(line.length < 300, 'it is short')
    }
  }
  t.ok(told('ens1f0v3', BOTH).includes(off), 'a name as systemd gives it')
})

t.test('a virtual function that there cannot be, or a pf that has none', async (t) => {
  const cases: [string, readonly PciDevice[], string][] = [
    [
      'pf = "ens1f0"\nvf = 64',
      BOTH,
      'ens1f0 (0000:3b:00.0) can have 64 virtual functions, 0 to 63; correct vf',
    ],
    [
      'pf = "ens2f0"\nvf = 4',
      BOTH,
      'ens2f0 (0000:af:00.0) has 4 of 64 virtual functions on, 0 to 3; correct vf;',
    ],
    [
      'pf = "ens1f2"\nvf = 0',
      FOUR_NICS,
      'ens1f2 (0000:03:00.2) can have no virtual functions; name another pf,',
    ],
    [
      'pf = "ens1f0"',
      card('3b', 'ens1f0', 0, 0),
      'ens1f0 (0000:3b:00.0) can have no virtual functions; name',
    ],
    [
      'pf = "ens2f0v1"',
      BOTH,
      'ens2f0v1 (0000:af:02.1) is a virtual function itself; name its physical function',
    ],
    ['pf = "ens9"\nvf = 0', BOTH, 'no NIC has pf ens9; correct the selectors under [nic.x]'],
    [
      'pf = "ens1f0"',
      card('3b', 'ens1f0', 0, 64, { driver: 'vfio-pci' }),
      'give it back to its driver (qemu-rt nics unbind 0000:3b:00.0), then run as root: echo N',
    ],
  ]
  for (const [selector, pci, why] of cases) {
    const line = told(`[nic.x]\n${selector}\n`, pci)
    t.ok(line.includes(why), line)
  }
})

t.test('the selector that fails is told, or who comes closest', async (t) => {
  const cases: [string, string][] = [
    ['address = "0000:09:00.0"', 'no NIC has address 0000:09:00.0; correct'],
    ['slot = "7"\nid = "8086:1521"', 'no NIC has slot 7; correct'],
    ['numa-node = 3\npool = true', 'no NIC has numa-node 3; correct'],
    [
      'mac = "a0:36:9f:00:00:01"\naddress = "0000:03:00.2"',
      'mac a0:36:9f:00:00:01 is 0000:03:00.1 (ens1f1, a0:36:9f:00:00:01, vfio-pci), but not address 0000:03:00.2; correct',
    ],
  ]
  for (const [selector, why] of cases) {
    const line = told(`[nic.x]\n${selector}\n`, FOUR_NICS)
    t.ok(line.includes(`matches no device of this host: ${why}`), line)
  }
})

t.test('NICs whose interfaces this network namespace does not show are told: one may be meant', async (t) => {
  const hidden = withNic(2, { driver: 'igb', interfaces: [], inventory: null })
  const config = (selector: string) => `[nic.x]\n${selector}\n`
  const more =
    '; of 0000:03:00.2 (igb) no interface is seen here, it may be in another network namespace (lsns -t net)'
  for (const selector of ['mac = "a0:36:9f:00:00:02"', 'interface = "ens1f2"', 'pf = "ens1f2"']) {
    const line = told(config(selector), hidden)
    t.ok(line.includes(`${more}; correct`), line)
  }
  t.notMatch(told(config('address = "0000:09:00.0"'), hidden), /network namespace/)
  const unbound = withNic(2, { driver: null, interfaces: [], inventory: null })
  t.notMatch(told(config('mac = "a0:36:9f:00:00:02"'), unbound), /network namespace/)
})

const gone = (facts: Partial<UncountedEntry> = {}): UncountedEntry => ({
  entry: {
    address: address('0000:3b:02.1'),
    vendor: '8086',
    device: '154c',
    subsystemVendor: '8086',
    subsystemDevice: '0000',
    serial: null,
    bootId: null,
    bridges: null,
    interfaces: [{ name: 'ens1f0v1', altnames: ['line1'], mac: parseMac('02:00:00:00:3b:11') }],
  },
  why: 'gone',
  problem: 'is no longer there',
  todo: 'TODO',
  ...facts,
})

t.test('a saved NIC that does not count says why, by each of its names', async (t) => {
  const saved = 'saved NIC 0000:3b:02.1 (ens1f0v1, 02:00:00:00:3b:11)'
  for (const selector of [
    'mac = "02:00:00:00:3b:11"',
    'interface = "ens1f0v1"',
    'interface = "line1"',
    'address = "3b:02.1"',
    'pf = "line1"',
  ]) {
    const config = `[nic.x]\n${selector}\n`
    const line = told(config, ON, { uncounted: [gone()] })
    t.ok(line.includes(`${saved} is no longer there; TODO`), line)
    const moved = gone({ why: 'unverified', problem: 'may be another card now' })
    t.ok(told(config, BOTH, { uncounted: [moved] }).includes(`${saved} may be another card now; TODO`))
  }
  const line = told('[nic.x]\nmac = "02:00:00:00:3b:11"\n', BOTH, { uncounted: [gone()] })
  t.ok(
    line.includes(
      `${saved} is no longer there, and ens1f0 (0000:3b:00.0) has no virtual functions on (0 of 64);`,
    ),
    line,
  )
  t.ok(told('02:00:00:00:3b:11', BOTH, { uncounted: [gone()] }).includes(`${saved} is no longer there`))
})

t.test('a port representor is not the NIC: whose it is, is told', async (t) => {
  const own = { name: 'ens1f0', altnames: [], mac: parseMac('02:00:00:00:3b:00') }
  const representor = { name: 'eth7', altnames: ['rep1'], mac: parseMac('02:00:00:00:3b:f1'), port: 'pf0vf1' }
  const pci = card('3b', 'ens1f0', 2, 8, { interfaces: [own, representor] })
  for (const config of ['eth7', '[nic.x]\ninterface = "rep1"\n', '[nic.x]\nmac = "02:00:00:00:3b:f1"\n']) {
    const line = told(config, pci)
    t.ok(
      line.includes(
        'eth7 is the port representor of pf0vf1 of ens1f0 (0000:3b:00.0); name that function: pf = "ens1f0", vf = 1',
      ),
      line,
    )
  }
})

t.test('a name that an interface bears goes before one that udev has for another', async (t) => {
  const live = (name: string, altnames: string[], mac: string) => ({
    driver: 'vfio-pci',
    inventory: null,
    interfaces: [{ name, altnames, mac: parseMac(mac) }],
  })
  const pci = withNic(0, live('eth0', ['enp3s0'], '02:00:00:00:00:01')).map((nic, at) =>
    at === 1 ? { ...nic, ...live('enp3s0', ['enp4s0'], '02:00:00:00:00:02') } : nic,
  )
  const plan = (name: string, among: readonly PciDevice[]) =>
    planOf([...NAMED, '-device', `vfio-pci,host=nic:${name}`], { pci: among }).nics[0]?.address
  t.equal(plan('enp3s0', pci), '0000:03:00.1')
  t.equal(plan('enp4s0', pci), '0000:03:00.1', 'an altname is one, too')
  const saved = readyNic('0000:09:00.0', 'enp4s0', '02:00:00:00:00:09')
  t.throws(() => plan('enp4s0', [...pci, saved]), { message: /matches 2 devices/ })
})

t.test(
  'no name is proposed of a NIC that is in use, of another kind of device, or of unlike cards',
  async (t) => {
    const near = (name: string, pci: readonly PciDevice[], facts: Parameters<typeof planOf>[1] = {}) =>
      /did you mean '(.*)'\?/.exec(told(name, pci, facts))?.[1]
    t.equal(near('ens1f', FOUR_NICS), 'ens1f0')
    t.equal(near('ens1f', withNic(0, { classCode: 0x010601 })), 'ens1f1', 'no NIC')
    const held = [{ guest: 'a', pid: 0, nics: [address('0000:03:00.0')], cpus: [] }]
    t.equal(near('ens1f', FOUR_NICS, { held }), 'ens1f1', 'a lease')
    const mayBeOpen = (device: { readonly address: string }) => device.address !== '0000:03:00.2'
    t.equal(near('ens1f', FOUR_NICS, { mayBeOpen }), 'ens1f2', 'a process has it open')
    const useOf = () => [{ kind: 'address', interface: 'ens2f0', address: '192.0.2.1/24' } as const]
    t.equal(near('ens2f', card('af', 'ens2f0', 0, 4), { useOf }), undefined, 'the host has it')
    t.equal(near('ens2f', card('af', 'ens2f0', 0, 4)), 'ens2f0')
    t.equal(near('ens3f0v1', ON), undefined, "another card's virtual function")
    t.equal(near('ens2f0v11', ON), undefined, 'one that there cannot be is told of instead')
    const config = '[nic.ens1fx]\nmac = "02:00:00:00:00:77"\n'
    t.throws(() => planOf([...NAMED, '-device', 'vfio-pci,host=nic:ens1f'], { pci: FOUR_NICS, config }), {
      message: /did you mean 'ens1fx'/,
    })
  },
)

t.test('a device that root has chosen by its serial number needs no other proof', async (t) => {
  const config = '[nic.line0]\nmac = "a0:36:9f:00:00:02"\n'
  const pci = withNic(2, { inventory: null })
  const nics = [{ name: 'line0', address: address('0000:03:00.2') }]
  const record = { ...NEW_VM, id: 'libvirt-x', nics }
  const args = [...NAMED, '-device', 'vfio-pci,host=nic:line0']
  t.equal(planOf(args, { config, pci, record }).nics[0]?.address, '0000:03:00.2')
  t.throws(() => planOf(args, { config, pci }), { message: /matches no device/ })
})

t.test("a virtual function's MAC of another boot is refused, and the line says how to name it", async (t) => {
  const [pf, vf] = ON as [PciDevice, PciDevice]
  const next = 'b1f0c1d2-0000-4000-8000-000000000002'
  const bridges = 'pci0000:00/0000:00:01.0'
  const { address: at, vendor, device, subsystemVendor, subsystemDevice } = vf
  const interfaces = [{ name: 'ens2f0v0', altnames: [], mac: parseMac('02:00:00:00:af:10') }]
  const ids = { address: at, vendor, device, subsystemVendor, subsystemDevice }
  const entry = { ...ids, serial: null, bootId: 'b1f0c1d2-0000-4000-8000-000000000001', bridges, interfaces }
  const here = { bootId: next, bridgesOf: () => bridges }
  const { fitting, uncounted } = checkInventory([entry], [pf, { ...vf, interfaces: [] }], here)
  const pci = [pf, { ...vf, inventory: fitting.get(at) ?? null }]
  t.match(
    told('[nic.x]\nmac = "02:00:00:00:af:10"\n', pci, { uncounted }),
    /matches no device of this host: saved NIC 0000:af:02\.0 \(ens2f0v0, 02:00:00:00:af:10\) may have another MAC now: it is a virtual function, and was saved in another boot; name it by pf = "ens2f0", vf = 0, see qemu-rt nics list/,
  )
  for (const selector of ['pf = "ens2f0"\nvf = 0', 'interface = "ens2f0v0"']) {
    t.throws(() => told(`[nic.x]\n${selector}\n`, pci, { uncounted }), /x means a device/, selector)
  }
})
