import { chownSync, lchownSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { makeAnonymizer } from '../../src/capture/anonymize.js'
import { captureHost } from '../../src/capture/capture.js'
import { WANTED } from '../../src/checks/table.js'
import { readCheckFacts } from '../../src/host/check/read.js'
import { readPartitions } from '../../src/host/partitions.js'
import { readHostFacts } from '../../src/host/read.js'
import type { Root } from '../../src/host/sysroot.js'
import { readWhereabouts } from '../../src/host/whereabouts.js'
import { filesBeneath } from '../files.js'
import { writeFiles } from '../host/made-host.js'
import { qemuRt } from '../launcher/run.js'

const hosts = fileURLToPath(new URL('../../fixtures/hosts', import.meta.url))

/** All that is read of a host as data, with what it uses each device for. */
function plain(root: string) {
  const { useOf, mayBeOpen: _, kernelThreads, ...facts } = readHostFacts(root)
  const threads = kernelThreads?.(facts.cpus?.present ?? [])
  const pci = facts.pci.map(({ directRegion, isGone, interruptGuards, ...device }) => ({
    ...device,
    region: directRegion?.(),
    gone: isGone?.(),
    guards: interruptGuards?.(),
  }))
  return { ...facts, pci, threads, uses: facts.pci.map((device) => useOf?.(device)) }
}

t.test("priorities of the kernel's threads come along, and nothing of other threads", async (t) => {
  const stat = (name: string, priority: number) =>
    `1 (${name}) S 2 0 0 0 -1 69238848 ${'0 '.repeat(30)}${priority} 1 ${'0 '.repeat(11)}\n`
  const directory = t.testdir({ host: {} })
  const [root, out] = ['host', 'captured'].map((name) => join(directory, name)) as [Root, Root]
  writeFiles(root, {
    '/sys/devices/system/cpu/present': '0-1\n',
    '/proc/2/task/2/children': '3 15 16 ',
    '/proc/3/stat': stat('rcu_gp', 0),
    '/proc/15/stat': stat('ktimers/1', 7),
    '/proc/16/stat': stat('ksoftirqd/1', 2),
    '/proc/99/stat': stat('ksoftirqd/0', 2),
  })
  captureHost(root, out, true)
  t.match(plain(out).threads, [
    { name: 'ktimers/1', cpu: 1, priority: 7 },
    { name: 'ksoftirqd/1', cpu: 1, priority: 2 },
  ])
  t.strictSame(filesBeneath(`${out}/proc`).filter(({ path }) => /\d+\/stat$/.test(path)).length, 2)
})

t.test('nodes that memory may be taken from come along', async (t) => {
  const directory = t.testdir({ host: {} })
  const [root, out] = ['host', 'captured'].map((name) => join(directory, name)) as [Root, Root]
  writeFiles(root, {
    '/sys/devices/system/cpu/present': '0-1\n',
    '/proc/self/status': 'Name:\tsh\nCapEff:\t0000000000000000\nMems_allowed_list:\t0,2\n',
  })
  captureHost(root, out, true)
  t.strictSame(plain(out).memoryNodes, [0, 2])
  t.notMatch(readFileSync(join(out, 'proc/self/status'), 'utf8'), 'Name')
})

t.test('memory that the firmware keeps for a device comes along', async (t) => {
  const root = join(hosts, 'four-nics') as Root
  const before = t.testdir({}) as Root
  captureHost(root, join(before, 'one'), false)
  const regions = '/sys/kernel/iommu_groups/13/reserved_regions'
  writeFiles(join(before, 'one'), { [regions]: '0x00000000bdf6f000 0x00000000bdf7efff direct\n' })
  captureHost(join(before, 'one') as Root, join(before, 'two'), true)
  const regionsOf = (of: string) =>
    readHostFacts(of).pci.flatMap(({ directRegion }) => directRegion?.() ?? [])
  t.strictSame(regionsOf(join(before, 'two')), ['0xbdf6f000-0xbdf7efff'])
})

t.test('what tells whether interrupts are remapped comes along', async (t) => {
  const root = join(hosts, 'four-nics') as Root
  const before = t.testdir({}) as Root
  captureHost(root, join(before, 'one'), false)
  writeFiles(join(before, 'one'), {
    '/sys/kernel/irq/30/chip_name': 'PCI-MSI\n',
    '/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts': 'N\n',
  })
  captureHost(join(before, 'one') as Root, join(before, 'two'), true)
  t.strictSame(readHostFacts(join(before, 'two')).pci[0]?.interruptGuards?.(), ['vfio_iommu_type1'])
})

t.test('a sysroot with no host in it is refused as by host check, and nothing is made', async (t) => {
  const directory = t.testdir({ empty: {} })
  const out = join(directory, 'out')
  for (const sysroot of [join(directory, 'none'), join(directory, 'empty')]) {
    const captured = qemuRt(['capture', out, '--sysroot', sysroot])
    t.equal(captured.status, 65, sysroot)
    t.strictSame(captured, qemuRt(['host', 'check', '--sysroot', sysroot]))
  }
  t.strictSame(readdirSync(directory), ['empty'])
})

t.test('what is read of a captured host is what is read of the host', async (t) => {
  for (const host of readdirSync(hosts)) {
    const root = join(hosts, host) as Root
    const out = join(t.testdir({}), 'captured')
    captureHost(root, out, false)
    t.strictSame(plain(out), plain(root), host)
  }
})

t.test(
  'what checks read of a captured host is what they read of the host, and results are the same',
  async (t) => {
    for (const host of readdirSync(hosts).filter((name) => name.startsWith('check-'))) {
      const out = join(t.testdir({}), 'captured')
      captureHost(join(hosts, host) as Root, out, false)
      const [copy, own] = [out, join(hosts, host)].map((root) => readCheckFacts(root, WANTED))
      t.strictSame(copy, own, host)
    }
  },
)

t.test('anonymized, programs have no names, and the checks end alike', async (t) => {
  const out = join(t.testdir({}), 'captured')
  captureHost(join(hosts, 'check-unprepared') as Root, out, true)
  const [copy, own] = [out, join(hosts, 'check-unprepared')].map((root) => readCheckFacts(root, WANTED))
  t.strictSame(
    copy?.threads?.filter(({ isKernels }) => !isKernels).map(({ name }) => name),
    ['irqbalance', 'program'],
  )
  t.strictSame(copy?.threads?.length, own?.threads?.length)
})

t.test('anonymized, partitions of VMs and programs have no names, and the same CPUs', async (t) => {
  const directory = t.testdir({ host: {} })
  const [root, out] = ['host', 'captured'].map((name) => join(directory, name)) as [Root, Root]
  const cgroup = '/sys/fs/cgroup'
  writeFiles(root, {
    '/proc/self/cgroup': '0::/user.slice\n',
    '/proc/self/mountinfo': `1 0 0:1 / ${cgroup} rw - cgroup2 cgroup2 rw\n`,
  })
  const groups = ['/customer-plc', '/machine.slice', '/machine.slice/machine-qemu\\x2d1\\x2dcustomer.scope']
  for (const [index, group] of groups.entries()) {
    writeFiles(root, {
      [`${cgroup}${group}/cpuset.cpus.partition`]: 'isolated\n',
      [`${cgroup}${group}/cpuset.cpus.effective`]: `${index + 4}\n`,
    })
  }
  captureHost(root, out, true)
  t.notOk(filesBeneath(out).some(({ path }) => path.includes('customer')))
  const cpus = (of: Root) =>
    readPartitions(of)
      .map((one) => String(one.cpus))
      .sort()
  t.strictSame(cpus(out), ['4', '5', '6'])
})

t.test('the boot and the bridges above each device come along', async (t) => {
  const root = join(hosts, 'four-nics') as Root
  const out = join(t.testdir({}), 'captured') as Root
  captureHost(root, out, true)
  const where = (host: Root) => {
    const { bootId, bridgesOf } = readWhereabouts(host)
    return [bootId, ...readHostFacts(host).pci.map(({ address }) => bridgesOf(address))]
  }
  t.strictSame(where(out), where(root))
  t.match(where(out), [/^[\da-f-]{36}$/])
  t.equal(where(out).at(-1), 'pci0000:00/0000:00:01.0')
})

t.test('of interfaces without a PCI device the names come along, a MAC in them made up', async (t) => {
  const root = t.testdir({}) as Root
  const link = (name: string) => ({ to: `../../devices/virtual/net/${name}` })
  writeFiles(root, {
    '/sys/bus/pci/x': '',
    '/sys/class/net/br0': link('br0'),
    '/sys/class/net/enxa0369f000001': link('enxa0369f000001'),
    '/sys/class/net/bonding_masters': 'bond0\n',
    '/sys/class/net/tap0': link('tap0'),
    '/sys/devices/virtual/net/tap0/tun_flags': '0x5102\n',
  })
  const out = join(root, 'captured')
  const names = (anonymize: boolean, at: string) => {
    captureHost(root, at, anonymize)
    return readHostFacts(at).otherInterfaces
  }
  t.strictSame(readHostFacts(root).otherInterfaces, ['br0', 'enxa0369f000001'])
  t.strictSame(names(false, `${out}1`), ['br0', 'enxa0369f000001'])
  t.strictSame(names(true, `${out}2`), ['br0', 'enx020000000001'])
})

t.test('anonymized, only MAC addresses and serial numbers differ', async (t) => {
  const root = join(hosts, 'four-nics') as Root
  const out = join(t.testdir({}), 'captured')
  captureHost(root, out, true)
  const all = JSON.stringify(readHostFacts(out))
  const before = readHostFacts(root)
  const macs = before.pci.flatMap(({ interfaces, inventory }) =>
    [...interfaces, ...(inventory?.interfaces ?? [])].flatMap(({ mac }) => mac ?? []),
  )
  t.ok(macs.length >= 5)
  for (const mac of macs) t.notMatch(all, mac)
  const files = filesBeneath(out).filter(({ entry }) => entry.isFile())
  for (const { path } of files) t.notMatch(readFileSync(path, 'latin1').toLowerCase(), macs[0] ?? '?', path)
  const config = readFileSync(join(out, 'sys/bus/pci/devices/0000:03:00.0/config'))
  t.equal(config.length, 64, 'what anybody may read, which has no serial number in it')
  const shape = (root: string) =>
    readHostFacts(root).pci.map(
      ({
        interfaces,
        serial: _,
        inventory: __,
        directRegion: ___,
        isGone: ____,
        interruptGuards: _____,
        ...device
      }) => ({
        ...device,
        names: interfaces.map(({ name }) => name),
      }),
    )
  t.strictSame(shape(out), shape(root))
})

t.test('anonymized, a use of a device is told without addresses', async (t) => {
  const out = join(t.testdir({}), 'captured')
  captureHost(join(hosts, 'four-nics') as Root, out, true)
  const text = readFileSync(join(out, 'host-uses.json'), 'utf8')
  t.notMatch(text, /192\.0\.2/)
  const [eno1] = readHostFacts(out).pci.filter(({ address }) => address === '0000:00:1f.6')
  t.match(eno1 && readHostFacts(out).useOf?.(eno1), [{ kind: 'route', interface: 'eno1', route: '' }])
})

t.test('one MAC address is one and the same everywhere', async (t) => {
  const clean = makeAnonymizer()
  t.equal(clean('A0:36:9f:00:00:01 and a0:36:9f:00:00:02'), '02:00:00:00:00:01 and 02:00:00:00:00:02')
  t.equal(clean('E:ID_NET_NAME_MAC=enxa0369f000002\n'), 'E:ID_NET_NAME_MAC=enx020000000002\n')
  t.equal(clean('00:00:00:00:00:00'), '00:00:00:00:00:00')
  t.equal(clean('0000:03:00.1 8086:1521'), '0000:03:00.1 8086:1521')
  t.equal(clean('{"serial": "a0-36-9f-ff-ff-00-00-02"}'), '{"serial": null}')
})

t.test('the command says what it did, and writes over nothing', async (t) => {
  const out = join(t.testdir({}), 'host')
  const capture = () => qemuRt(['capture', out])
  t.match(capture(), { status: 0, stdout: /^\d+ files of this host are in .*--sysroot/, stderr: '' })
  t.match(capture(), {
    status: 65,
    stdout: '',
    stderr: `qemu-rt: the directory for the captured host is not empty: ${out}; give a directory that is not there yet\n`,
  })
  t.match(qemuRt(['run', '--dry-run', '--sysroot', out, '--', '-name', 'x']), { status: 0 })
})

t.test(
  "root goes through no other user's link",
  { skip: process.getuid?.() !== 0 && 'not root' },
  async (t) => {
    const directory = t.testdir({ aim: {}, theirs: {} })
    const link = join(directory, 'theirs/link')
    symlinkSync(join(directory, 'aim'), link)
    chownSync(join(directory, 'theirs'), 65534, 65534)
    lchownSync(link, 65534, 65534)
    qemuRt(['capture', join(link, 'new/host')])
    t.strictSame(readdirSync(join(directory, 'aim')), [], 'no directory is made behind it either')
    t.match(qemuRt(['capture', join(link, 'host')]), {
      status: 77,
      stderr: `qemu-rt: the captured host cannot be written: ${join(link, 'host')} (a link that is not root's leads there); give its real path, without links\n`,
    })
    t.strictSame(readdirSync(join(directory, 'aim')), [])
    t.match(qemuRt(['capture', join(directory, 'theirs/host')]), { status: 0 })
  },
)

t.test('what a captured host says of its mounts leads nowhere else when it is captured again', async (t) => {
  const device = '/sys/bus/pci/devices/0000:03:00.0'
  const cases: Readonly<Record<string, string>> = { dots: '/x/../../victim', link: `${device}/driver` }
  for (const [name, mountPoint] of Object.entries(cases)) {
    // `x` and `driver` lead to other places for who reads than for who writes.
    const place = t.testdir({
      [name]: { victim: {}, elsewhere: { a: { b: {} }, victim: { grp: {} } }, host: {} },
    })
    const at = join(place, name)
    const root = join(at, 'host') as Root
    writeFiles(root, {
      [`${device}/uevent`]: 'DRIVER=igb\n',
      [`${device}/driver`]: { to: `${at}/victim` },
      '/x': { to: `${at}/elsewhere/a/b` },
      '/proc/self/cgroup': '0::/grp\n',
      '/proc/self/mountinfo': `1 0 0:1 / ${mountPoint} rw - cgroup2 cgroup2 rw\n`,
    })
    writeFiles(`${at}/elsewhere/victim`, { '/grp/cpuset.cpus': 'evil\n' })
    writeFiles(`${at}/victim`, name === 'link' ? { '/grp/cpuset.cpus': 'own\n' } : {})
    const write = () => captureHost(root, join(at, 'captured'), false)
    // To write through the link failed at what is there.
    if (name === 'link') t.doesNotThrow(write)
    else write()
    t.strictSame(readdirSync(`${at}/victim`), name === 'link' ? ['grp'] : [], name)
  }
})
