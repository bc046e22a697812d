import { cpSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { checkClosed } from '../../src/change/driver.js'
import { program, runCli } from '../../src/commands/cli.js'
import { bindNamed } from '../../src/commands/nics/bind.js'
import { unbindNamed } from '../../src/commands/nics/unbind.js'
import { openSysroot } from '../../src/host/sysroot.js'
import { writeRootsRecord } from '../../src/record/root/records.js'
import { NEW_VM } from '../../src/record/vm.js'
import { driversOf, FOUR, hostWithKernel } from '../change/stand-in-kernel.js'
import { filesBeneath } from '../files.js'
import { fdinfo, openNode, uevent, writeFiles } from '../host/made-host.js'
import { address } from '../plan/make.js'

const CONFIG = '[nic.fieldbus0]\nmac = "a0:36:9f:00:00:02"\n[nic.line]\nid = "8086:1521"\npool = true\n'

function host(t: Test, nics = FOUR) {
  const root = t.testdir({ 'rt.toml': CONFIG })
  const { write, overrides } = hostWithKernel(root, nics)
  const options = { sysroot: root, config: `${root}/rt.toml` }
  const said: string[] = []
  const say = (line: string) => said.push(line)
  return {
    root,
    said,
    bind: (name: string, force = false) => bindNamed(name, { ...options, force }, write, say),
    unbind: (name: string) => unbindNamed(name, options, write, say),
    overrides,
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
  writeFileSync(`${root}/proc/net/route`, 'Iface\nens1f3\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\n')
  await t.rejects(bind('line'), {
    message:
      "NIC 'line' is not ready: the host uses 0000:03:00.3 itself: ens1f3 has the route 0.0.0.0/0; choose another NIC, " +
      "or take the route away in the host's network configuration, if the host can do without",
    exitCode: 69,
  })
  t.strictSame(drivers(), ['igb', 'igb', 'igb', 'igb'], 'none is changed')
  await bind('line', true)
  t.strictSame(drivers(), ['vfio-pci', 'vfio-pci', 'vfio-pci', 'vfio-pci'])
})

t.test('a physical function whose virtual functions are on is not taken, by force neither', async (t) => {
  const { root, bind, drivers } = host(t)
  const pf = '/sys/bus/pci/devices/0000:03:00.2'
  writeFiles(root, { [`${pf}/sriov_numvfs`]: '4\n', [`${pf}/sriov_totalvfs`]: '8\n' })
  const refused = {
    message:
      "NIC 'fieldbus0' is not ready: 4 virtual functions of ens1f2 are on, and vfio-pci takes no such device; name one of " +
      'them (pf = "ens1f2", vf = N), or, when nothing uses any, turn them off: ' +
      'echo 0 > /sys/bus/pci/devices/0000:03:00.2/sriov_numvfs',
    exitCode: 69,
  }
  await t.rejects(bind('fieldbus0'), refused)
  await t.rejects(bind('fieldbus0', true), refused)
  t.strictSame(drivers(), ['igb', 'igb', 'igb', 'igb'])
})

t.test("the controller of the host's disks is not taken, by force neither", async (t) => {
  const { root, bind } = host(t)
  const disks = '/sys/bus/pci/devices/0000:00:17.0'
  writeFiles(root, {
    [`${disks}/uevent`]: uevent('ahci', '8086:8c02', '10601'),
    [`${disks}/driver`]: { to: '../../drivers/ahci' },
    [`${disks}/iommu_group`]: { to: '../../../kernel/iommu_groups/5' },
    '/sys/class/block/sda': { to: '../../devices/pci0000:00/0000:00:17.0/ata1/host0/block/sda' },
  })
  const refused = { message: /0000:00:17\.0 is a storage controller, not a NIC; choose a NIC$/, exitCode: 69 }
  await t.rejects(bind('0000:00:17.0'), refused)
  await t.rejects(bind('0000:00:17.0', true), refused)
})

t.test('one that came into use since it was looked at is not taken', async (t) => {
  const root = t.testdir({ 'rt.toml': CONFIG })
  const kernel = hostWithKernel(root, FOUR)
  const bridged = '/sys/bus/pci/devices/0000:03:00.1/net/ens1f1/master'
  const write: typeof kernel.write = (path, text) => {
    kernel.write(path, text)
    // While the first of the pool is bound, another process makes the second one a bridge's.
    if (path.includes('03:00.0/driver_override') && text.trim() === 'vfio-pci') {
      writeFiles(root, { [bridged]: { to: '../br0' } })
    }
  }
  const options = { sysroot: root, config: `${root}/rt.toml`, force: false }
  await t.rejects(
    bindNamed('line', options, write, () => {}),
    {
      message: /^the host uses 0000:03:00\.1 itself: ens1f1 is part of br0; choose another NIC/,
      exitCode: 69,
    },
  )
  t.strictSame(driversOf(root, FOUR), ['igb', 'igb', 'igb', 'igb'])
  t.notMatch(kernel.writes.join('\n'), /03:00\.1/, 'it was not touched')
})

t.test('one that a VM has is not given back', async (t) => {
  const { root, bind, unbind, drivers } = host(t)
  await bind('fieldbus0')
  const nic = address('0000:03:00.2')
  writeRootsRecord(root, {
    ...NEW_VM,
    id: 'libvirt-c1b6c8a4-5d8e-4a9b-9d4c-6f5e4d3c2b1a',
    guest: { name: 'plc-1', uuid: 'c1b6c8a4-5d8e-4a9b-9d4c-6f5e4d3c2b1a' },
    lease: { nics: [nic], cpus: [] },
  })
  await t.rejects(unbind('fieldbus0'), {
    message: /^0000:03:00\.2 \(.*\) is held by guest 'plc-1'; stop it first$/,
    exitCode: 69,
  })
  t.strictSame(drivers(), ['igb', 'igb', 'vfio-pci', 'igb'])
})

t.test('one that a process has open is not given back: the kernel would wait for that', async (t) => {
  const { root, bind, unbind, drivers } = host(t)
  await bind('fieldbus0')
  writeFiles(root, {
    '/proc/4711/comm': 'qemu-system-x86\n',
    '/proc/4711/fd/7': { to: '/dev/vfio/vfio' },
    ...openNode(root, { pid: 4711, fd: 12, node: '12', place: '../../devices/virtual/vfio/12' }),
  })
  await t.rejects(unbind('fieldbus0'), {
    message: '0000:03:00.2 is held by process 4711 (qemu-system-x86); stop it first',
    exitCode: 69,
  })
  t.strictSame(drivers(), ['igb', 'igb', 'vfio-pci', 'igb'])
  rmSync(`${root}/proc/4711/fd/12`)
  await unbind('fieldbus0')
  t.strictSame(drivers(), ['igb', 'igb', 'igb', 'igb'])
})

t.test('what another file only bears the name of keeps no device', async (t) => {
  const { root, bind, unbind, drivers } = host(t)
  await bind('fieldbus0')
  const fake = { pid: 4711, fd: 12, node: '12' }
  writeFiles(root, {
    '/proc/4711/comm': 'qemu-system-x86\n',
    ...openNode(root, { ...fake, place: '../../devices/virtual/mem/null' }),
    // Any file, as a user can have it there in a mount namespace of its own.
    '/proc/4711/fd/13': { to: '/dev/vfio/12' },
    '/proc/4711/fdinfo/13': fdinfo(),
    // One of no mount that is seen, as of FUSE's or of a mount that was taken away.
    '/proc/4711/fd/14': { to: '/dev/zero' },
    '/proc/4711/fdinfo/14': 'pos:\t0\nflags:\t02000002\nmnt_id:\t999999999\n',
    '/sys/dev/char/1:5': { to: '../../devices/virtual/vfio/12' },
  })
  await unbind('fieldbus0')
  t.strictSame(drivers(), ['igb', 'igb', 'igb', 'igb'])
})

t.test('a device that a process has without its node is not given back: its group is busy', async (t) => {
  const { root, bind, drivers } = host(t)
  await bind('fieldbus0')
  const asked: string[] = []
  const kernel = (code: string) => (path: string) => {
    asked.push(path.slice(root.length))
    throw Object.assign(new Error('no'), { code })
  }
  const check = (code: string) =>
    checkClosed(openSysroot(root), address('0000:03:00.2'), { open: kernel(code) })
  t.throws(() => check('EBUSY'), {
    message:
      /^0000:03:00\.2 is held by a process that has a descriptor named \[vfio-device\] .*; stop it first$/,
    exitCode: 69,
  })
  t.strictSame([...new Set(asked)], ['/dev/vfio/12'])
  for (const code of ['ENOENT', 'EACCES', 'ENODEV']) t.doesNotThrow(() => check(code), code)
  let left = 2
  const ending = () => {
    if (left-- > 0) throw Object.assign(new Error('no'), { code: 'EBUSY' })
    return openSync('/dev/null', 'r')
  }
  t.doesNotThrow(
    () => checkClosed(openSysroot(root), address('0000:03:00.2'), { open: ending }),
    'KVM is waited for',
  )
  t.ok(left < 0)
  t.strictSame(drivers(), ['igb', 'igb', 'vfio-pci', 'igb'])
})

t.test('more open files than can be looked at in time, which any user can have', async (t) => {
  const { root, bind } = host(t)
  await bind('fieldbus0')
  const free = () => openSync('/dev/null', 'r')
  const refusing = (code: string) => () => {
    throw Object.assign(new Error('no'), { code })
  }
  writeFiles(root, {
    '/proc/4711/comm': 'qemu-system-x86\n',
    '/proc/4711/stat': '4711 (qemu) S 1\n',
    ...openNode(root, { pid: 4711, fd: 12, node: '12', place: '../../devices/virtual/vfio/12' }),
  })
  const check = (open: () => number) =>
    checkClosed(openSysroot(root), address('0000:03:00.2'), { until: 0, open })
  const unknown = {
    message:
      '0000:03:00.2 may be open still: processes have too many files open to look at all of them in 3 seconds; end those processes, and try again',
    exitCode: 69,
  }
  t.doesNotThrow(() => check(free), "the kernel's word for the group is enough")
  t.throws(() => check(refusing('EBUSY')), { message: /is held by a process that has a descriptor/ })
  t.throws(() => check(refusing('ENOENT')), unknown, 'the kernel cannot be asked')
  const own = '/sys/bus/pci/devices/0000:03:00.2/vfio-dev/vfio3'
  writeFiles(root, { [`${own}/uevent`]: '' })
  t.doesNotThrow(() => check(free), 'a kernel without nodes of devices')
  writeFiles(root, { [`${own}/dev`]: '511:3\n' })
  t.throws(() => check(free), unknown, 'its own node may be open')
})

t.test('a node is known by its number, whatever name it was opened by', async (t) => {
  const { root, bind, unbind, drivers } = host(t)
  await bind('fieldbus0')
  writeFiles(root, {
    '/proc/4711/comm': 'qemu-system-x86\n',
    '/proc/4711/fd/11': { to: 'socket:[4711]' },
    '/proc/4711/fd/12': { to: '/dev/null' },
    '/proc/4711/fdinfo/12': fdinfo(),
    '/sys/dev/char/1:3': { to: '../../devices/virtual/vfio/12' },
  })
  await t.rejects(unbind('fieldbus0'), { message: /^0000:03:00\.2 is held by process 4711/ })
  t.strictSame(drivers(), ['igb', 'igb', 'vfio-pci', 'igb'])
})

t.test(
  'a physical function stays while a VM has one of its virtual functions, which would go with it',
  async (t) => {
    const { root, bind, unbind, drivers } = host(t)
    await bind('fieldbus0')
    const pf = '/sys/bus/pci/devices/0000:03:00.2'
    const vf = '/sys/bus/pci/devices/0000:03:10.1'
    writeFiles(root, {
      [`${pf}/sriov_numvfs`]: '1\n',
      [`${pf}/sriov_totalvfs`]: '8\n',
      [`${pf}/virtfn0`]: { to: '../0000:03:10.1' },
      [`${vf}/uevent`]: uevent('vfio-pci'),
      [`${vf}/driver`]: { to: '../../drivers/vfio-pci' },
      [`${vf}/iommu_group`]: { to: '../../../kernel/iommu_groups/40' },
      '/proc/4711/comm': 'qemu-system-x86\n',
      ...openNode(root, { pid: 4711, fd: 12, node: '40', place: '../../devices/virtual/vfio/40' }),
    })
    await t.rejects(unbind('fieldbus0'), {
      message:
        '0000:03:10.1, a virtual function of 0000:03:00.2, is held by process 4711 (qemu-system-x86); stop it first',
      exitCode: 69,
    })
    rmSync(`${root}/proc/4711/fd/12`)
    const id = 'libvirt-c1b6c8a4-5d8e-4a9b-9d4c-6f5e4d3c2b1a'
    writeRootsRecord(root, {
      ...NEW_VM,
      id,
      guest: { name: 'plc-1', uuid: 'c1b6c8a4-5d8e-4a9b-9d4c-6f5e4d3c2b1a' },
      lease: { nics: [address('0000:03:10.1')], cpus: [] },
    })
    await t.rejects(unbind('fieldbus0'), {
      message:
        /^0000:03:10\.1, a virtual function of 0000:03:00\.2, is held by guest 'plc-1'; stop it first$/,
      exitCode: 69,
    })
    t.strictSame(drivers(), ['igb', 'igb', 'vfio-pci', 'igb'])
  },
)

t.test('a device in no IOMMU group cannot be given to a VM, so it is not bound', async (t) => {
  const { root, bind } = host(t)
  writeFiles(root, {
    '/sys/bus/pci/devices/0000:04:00.0/uevent': 'PCI_CLASS=20000\nPCI_ID=8086:10D3\n',
  })
  await t.rejects(bind('0000:04:00.0'), {
    message: /0000:04:00\.0 is in no IOMMU group; turn on VT-d/,
    exitCode: 69,
  })
})

t.test('an address that no device has is told', async (t) => {
  await t.rejects(host(t).bind('0000:09:00.0'), {
    message: /^NIC '0000:09:00\.0' is neither configured nor an interface/,
    exitCode: 69,
  })
})

t.test('when vfio-pci does not take one of a pool, all are as before', async (t) => {
  const nics = FOUR.map((nic, index) => (index === 2 ? { ...nic, refusedBy: 'vfio-pci' } : nic))
  const { said, bind, drivers, overrides } = host(t, nics)
  await t.rejects(bind('line'), {
    message: /^vfio-pci does not take 0000:03:00\.2; see dmesg/,
    exitCode: 69,
  })
  t.strictSame(drivers(), ['igb', 'igb', 'igb', 'igb'])
  t.strictSame(overrides(), {})
  t.strictSame(said, [], 'of what was undone nothing is said')
})

const FIXTURES = fileURLToPath(new URL('../../fixtures/hosts/four-nics', import.meta.url))

/** Every file beneath a directory, with what is in it and when it was written. */
function filesOf(directory: string): [string, string, number][] {
  return filesBeneath(directory)
    .filter(({ entry }) => entry.isFile())
    .map(({ path }) => [path, readFileSync(path, 'latin1'), statSync(path).mtimeMs])
}

const REFUSED = { message: /^'nics (un)?bind' changes this host alone/, exitCode: 64 }

t.test('a captured host is not changed', async (t) => {
  const sysroot = join(t.testdir({}), 'host')
  cpSync(FIXTURES, sysroot, { recursive: true, verbatimSymlinks: true })
  const before = filesOf(sysroot)
  t.ok(before.length > 0)
  for (const command of ['bind', 'unbind']) {
    await t.rejects(runCli(['nics', command, 'ens1f0', '--sysroot', sysroot]), {
      message:
        `'nics ${command}' changes this host alone, never a captured one: --sysroot ${sysroot}; ` +
        'run it without --sysroot, on the host itself',
      exitCode: 64,
    })
  }
  await t.rejects(runCli(['nics', 'bind', '--force', 'ens1f0', '--sysroot', sysroot]), REFUSED)
  t.strictSame(filesOf(sysroot), before)
})

t.test('a sysroot is refused before anything is read', async (t) => {
  const nowhere = ['--sysroot', '/does/not/exist', '--config', '/does/not/exist.toml']
  await t.rejects(runCli(['nics', 'bind', 'x', ...nowhere]), REFUSED)
  await t.rejects(runCli(['nics', 'unbind', 'x', ...nowhere]), REFUSED)
})

/** What a command's `--help` prints, in one line. */
function helpOf(command: string): string {
  const nics = program().commands.find((one) => one.name() === 'nics')
  const found = nics?.commands.find((one) => one.name() === command)
  return (found?.helpInformation() ?? '').replace(/\s+/g, ' ')
}

t.test('the help says what is read and written beneath a sysroot', async (t) => {
  const reads = /--sysroot <dir> read \/sys, \/proc, \/dev, \/run and \/var\/lib\/qemu-rt beneath a directory/
  t.match(helpOf('show'), reads)
  t.match(helpOf('scan'), reads)
  t.match(helpOf('scan'), /, and save in its \/var\/lib\/qemu-rt\/nics\.json/)
  t.notMatch(helpOf('bind'), /--sysroot/)
  t.notMatch(helpOf('unbind'), /--sysroot/)
})
