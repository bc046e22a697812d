import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { runHook } from '../../src/libvirt/hook/hook.js'
import { fdinfo, openNode, writeFiles } from '../host/made-host.js'
import { bindBefore, hookHost, OTHER_UUID, recordFile, UUID, type Wanted } from './hook-host.js'

/** libvirt runs its hook as root, and root's configuration is what it reads. */
const AS_ROOT = { skip: process.getuid?.() !== 0 && 'not root' }
const ALL_HOST = ['igb', 'igb', 'igb', 'igb']
const THIRD_TAKEN = ['igb', 'igb', 'vfio-pci', 'igb']

/** The ways in which a domain asks for a NIC. */
const WAYS: Readonly<Record<string, Wanted>> = {
  'metadata of our own': { request: '<rt:nic name="fieldbus0"/>' },
  'metadata as virsh metadata writes it': { request: '<nic name="fieldbus0"/>' },
  'a [[domain]] by name': { name: 'by-name' },
  'an argument for the wrapper': { args: ['--rt-nic', 'fieldbus0'] },
  'a name in a device of its own': { args: ['-device', 'vfio-pci,host=nic:fieldbus0'] },
  "Nova's flavor": {
    nova: `<nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1"><nova:flavor name="rt.1"/></nova:instance>`,
    devices: `<hostdev mode='subsystem' type='pci' managed='yes'><source>
      <address domain='0x0000' bus='0x03' slot='0x00' function='0x0'/></source></hostdev>`,
  },
}

for (const [way, wanted] of Object.entries(WAYS)) {
  t.test(`a NIC by ${way} is got ready before the start and given back after the end`, AS_ROOT, async (t) => {
    const { hook, request, requests, drivers } = hookHost(t)
    await hook('prepare begin', wanted)
    t.strictSame(drivers(), THIRD_TAKEN)
    t.match(request(), { guest: { uuid: UUID }, nics: [{ name: 'fieldbus0', address: '0000:03:00.2' }] })
    for (const operation of ['start begin', 'started begin', 'stopped end', 'migrate begin', 'nonsense x']) {
      await hook(operation, wanted)
    }
    t.strictSame(drivers(), THIRD_TAKEN)
    await hook('release end', wanted)
    t.strictSame(drivers(), ALL_HOST)
    t.strictSame(requests(), [])
    await hook('release end', wanted)
  })
}

t.test('the wrapper plans what the hook has got ready', AS_ROOT, async (t) => {
  const { hook, plan, root } = hookHost(t)
  await hook('prepare begin', { request: '<nic name="line"/><nic name="line"/>' })
  await hook('prepare begin', { uuid: OTHER_UUID, name: 'other', args: ['--rt-nic', 'line'] })
  t.strictSame((await plan([])).lease?.nics, ['0000:03:00.0', '0000:03:00.1'])
  t.strictSame((await plan(['--rt-nic', 'line'], OTHER_UUID)).lease?.nics, ['0000:03:00.2'])
  await t.rejects(() => plan(['-device', 'vfio-pci,host=nic:fieldbus0']), {
    message:
      /^NIC 'fieldbus0' is 0000:03:00\.2, which libvirt's hook has not got ready for this domain: root's record libvirt-c1b6/,
  })
  t.equal(statSync(recordFile(root)).mode & 0o777, 0o644)
  t.equal(statSync(`${root}/run/qemu-rt/vms`).mode & 0o777, 0o755)
})

t.test(
  'root’s record holds what libvirt gives by itself, and not what the owner names',
  AS_ROOT,
  async (t) => {
    const { hook, request } = hookHost(t)
    const hostdev = `<hostdev mode='subsystem' type='pci' managed='yes'><source>
      <address domain='0x0000' bus='0x03' slot='0x00' function='0x0'/></source></hostdev>`
    const args = ['-device', 'vfio-pci,host=0000:03:00.3']
    await hook('prepare begin', { request: '<nic name="fieldbus0"/>', devices: hostdev, args })
    t.strictSame(request().lease?.nics, ['0000:03:00.2', '0000:03:00.0'])
    await hook('prepare begin', { request: '<nic name="fieldbus0" device="hostdev0"/>', devices: hostdev })
    t.strictSame(request().lease?.nics, ['0000:03:00.2'], 'what a NIC replaces is nobody’s')
  },
)

t.test(
  'a NIC in the place of a device by iommufd needs a node that libvirt can show to QEMU',
  AS_ROOT,
  async (t) => {
    const { hook, requests, drivers } = hookHost(t)
    const hostdev = `<hostdev mode='subsystem' type='pci' managed='yes'><driver name='vfio' iommufd='yes'/><source>
      <address domain='0x0000' bus='0x03' slot='0x00' function='0x0'/></source></hostdev>`
    const wanted = { request: '<nic name="fieldbus0" device="hostdev0"/>', devices: hostdev }
    await t.rejects(() => hook('prepare begin', wanted), {
      exitCode: 69,
      message:
        /^NIC 'fieldbus0' is not ready: 0000:03:00.2 has no node in \/dev\/vfio\/devices, and iommufd= opens it by that; run as root: qemu-rt nics bind/,
    })
    t.strictSame(drivers(), ALL_HOST)
    t.strictSame(requests(), [])
  },
)

t.test('a start that came to no end is tidied up by the next', AS_ROOT, async (t) => {
  const { hook, request, drivers } = hookHost(t)
  await hook('prepare begin', { args: ['--rt-nic', 'line'] })
  await hook('prepare begin', { args: ['--rt-nic', 'fieldbus0'] })
  t.strictSame(drivers(), THIRD_TAKEN)
  t.match(request(), { nics: [{ name: 'fieldbus0' }] })
})

t.test('a device that libvirt gives itself is left to it', AS_ROOT, async (t) => {
  const { hook, request, drivers } = hookHost(t)
  await hook('prepare begin', {
    request: '<nic name="fieldbus0" device="hostdev0"/>',
    devices: `<hostdev mode='subsystem' type='pci' managed='yes'><source>
      <address domain='0x0000' bus='0x03' slot='0x00' function='0x2'/></source></hostdev>`,
  })
  t.strictSame(drivers(), ALL_HOST)
  t.match(request(), { nics: [{ address: '0000:03:00.2' }], undo: undefined })
})

t.test(
  'a domain without the wrapper is left alone, whatever the configuration is like',
  AS_ROOT,
  async (t) => {
    const { hook, requests, config } = hookHost(t)
    writeFileSync(config, 'broken [')
    for (const operation of ['prepare begin', 'started begin', 'reconnect begin', 'release end']) {
      await hook(operation, { emulator: '/usr/bin/qemu-system-x86_64' })
    }
    t.strictSame(requests(), [])
  },
)

t.test('what keeps a domain from being started leaves nothing behind', AS_ROOT, async (t) => {
  const cases: [string, Wanted, { message: string | RegExp; exitCode: number }][] = [
    [
      'a request without the wrapper',
      { emulator: '/usr/bin/qemu-system-x86_64', request: '' },
      {
        message:
          "domain 'plc-1' has a <request> in its <metadata>, and its <emulator> is not qemu-rt: /usr/bin/qemu-system-x86_64; " +
          'name the installed qemu-rt-system-ARCH in <emulator>, or take the <request> away',
        exitCode: 78,
      },
    ],
    [
      'an unknown NIC',
      { request: '<nic name="feldbus0"/>' },
      { message: /NIC 'feldbus0'.*did you mean 'fieldbus0'/, exitCode: 69 },
    ],
    [
      'an unknown profile',
      { args: ['--rt-profile', 'tr'] },
      { message: /'tr'.*did you mean 'rt'/, exitCode: 78 },
    ],
    [
      "an interface's name",
      { request: '<nic name="ens1f2"/>' },
      { message: /NIC 'ens1f2' is not in the configuration: .*root permits it/, exitCode: 69 },
    ],
    [
      "another domain's UUID",
      { args: ['-uuid', OTHER_UUID] },
      { message: /^-uuid says .*another/, exitCode: 77 },
    ],
    [
      "another domain's name",
      { args: ['-name', 'by-name'] },
      { message: /^-name says .*another/, exitCode: 77 },
    ],
    ['a sysroot', { args: ['--rt-sysroot', '/tmp'] }, { message: /^a sysroot /, exitCode: 77 }],
    [
      'a configuration elsewhere',
      { args: ['--rt-config', '/dev/watchdog'] },
      { message: /^a configuration elsewhere .*: \/dev\/watchdog; /, exitCode: 77 },
    ],
    [
      'a program in place of QEMU',
      { args: ['--rt-emulator', '/bin/sh'] },
      { message: /^another emulator .*: \/bin\/sh; /, exitCode: 77 },
    ],
    ['a wrong request', { request: '<nick/>' }, { message: /<nick> is not known there/, exitCode: 65 }],
  ]
  for (const [title, wanted, error] of cases) {
    const { hook, requests, drivers } = hookHost(t)
    await t.rejects(hook('prepare begin', wanted), error, title)
    t.strictSame(requests(), [], title)
    t.strictSame(drivers(), ALL_HOST, title)
  }
})

t.test('nothing stays half-bound when a device or its node cannot be had', AS_ROOT, async (t) => {
  const refuse = (path: string, text: string) =>
    path.includes('03:00.1/driver_override') && text === 'vfio-pci' ? 'EBUSY' : null
  const { hook, requests, drivers } = hookHost(t, refuse)
  await t.rejects(hook('prepare begin', { request: '<nic name="line"/><nic name="line"/>' }), {
    message: '0000:03:00.1 cannot be given to vfio-pci: EBUSY; see dmesg',
  })
  t.strictSame(requests(), [])
  t.strictSame(drivers(), ALL_HOST)
})

t.test('a node that libvirt would hide from QEMU is told with the line that shows it', AS_ROOT, async (t) => {
  const { root, hook, requests, drivers } = hookHost(t)
  const conf = `${root}/etc/libvirt/qemu.conf`
  writeFileSync(conf, 'user = "qemu-user"\n')
  await t.rejects(hook('prepare begin', { request: '<nic name="fieldbus0"/>' }), {
    message:
      'libvirt hides /dev/vfio/vfio and /dev/vfio/12 from QEMU: /etc/libvirt/qemu.conf; write cgroup_device_acl = ' +
      '[ "/dev/null", "/dev/full", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/ptmx", "/dev/kvm", ' +
      '"/dev/vfio/vfio", "/dev/vfio/12" ] there and restart libvirtd or virtqemud',
    exitCode: 69,
  })
  t.strictSame(requests(), [])
  t.strictSame(drivers(), ALL_HOST)
  writeFileSync(conf, 'user = "qemu-user"\nnamespaces = [ ]\ncgroup_controllers = [ "cpu", "memory" ]\n')
  await hook('prepare begin', { request: '<nic name="fieldbus0"/>' })
  t.strictSame(drivers(), THIRD_TAKEN)
})

t.test("QEMU's user is looked for only where a device is given to it", AS_ROOT, async (t) => {
  const { root, hook, request, requests, drivers } = hookHost(t)
  writeFiles(root, { '/etc/passwd': 'root:x:0:0::/root:/bin/sh\n' })
  const libvirts = `<hostdev mode='subsystem' type='pci' managed='yes'><source>
      <address domain='0x0000' bus='0x03' slot='0x00' function='0x2'/></source></hostdev>`
  const without: Wanted[] = [
    {},
    { args: ['--rt-profile', 'rt'] },
    { request: '<nic name="fieldbus0" device="hostdev0"/>', devices: libvirts },
  ]
  for (const wanted of without) {
    await hook('prepare begin', wanted)
    t.match(request(), { guest: { uuid: UUID } })
    await hook('release end', wanted)
  }
  await t.rejects(hook('prepare begin', { request: '<nic name="fieldbus0"/>' }), {
    message:
      'there is no user \'qemu-user\' for QEMU: /etc/passwd; write user = "NAME" in /etc/libvirt/qemu.conf',
    exitCode: 69,
  })
  t.strictSame(requests(), [])
  t.strictSame(drivers(), ALL_HOST)
})

t.test(
  'what this host has not the wrapper refuses, and the hook where QEMU starts all the same',
  AS_ROOT,
  async (t) => {
    const { root, hookAlone, request, requests, drivers, plan } = hookHost(t)
    writeFiles(root, { '/proc/net/route': 'Iface\nens1f2\t00000000\n' })
    const wanted = { request: '<nic name="fieldbus0"/>' }
    const said = { message: /^NIC 'fieldbus0' is not ready: the host uses 0000:03:00.2 itself/, exitCode: 69 }
    await hookAlone('prepare begin', wanted)
    t.match(request(), { refusal: { exitCode: 69, text: said.message }, lease: null, nics: [] })
    t.strictSame(drivers(), ALL_HOST)
    await t.rejects(plan(['-S']), said)
    await t.rejects(hookAlone('started begin', wanted), said)
    await hookAlone('release end', wanted)
    t.strictSame(requests(), [])
  },
)

t.test('a refusal takes the place of no record: it says what to give back', AS_ROOT, async (t) => {
  const { hookAlone, request, drivers } = hookHost(t)
  const wanted = { request: '<nic name="fieldbus0"/>' }
  await hookAlone('prepare begin', wanted)
  const before = request()
  const { PATH } = process.env
  t.teardown(() => Object.assign(process.env, { PATH }))
  // No flock(1): the earlier start cannot be tidied up.
  process.env.PATH = '/nonexistent'
  await t.rejects(hookAlone('prepare begin', wanted), { message: /flock/, exitCode: 69 })
  Object.assign(process.env, { PATH })
  t.strictSame(request(), before)
  await hookAlone('release end', wanted)
  t.strictSame(drivers(), ALL_HOST)
})

t.test(
  'what an earlier start has left ends no start of a domain that has given the wrapper up',
  AS_ROOT,
  async (t) => {
    const wanted = { request: '<nic name="fieldbus0"/>' }
    const plain = { emulator: '/usr/bin/qemu-system-x86_64' }
    const refusing = hookHost(t)
    writeFiles(refusing.root, { '/proc/net/route': 'Iface\nens1f2\t00000000\n' })
    // libvirtd is killed before it calls the hook for the end of that start.
    await refusing.hookAlone('prepare begin', wanted)
    await refusing.hookAlone('prepare begin', plain)
    t.strictSame(refusing.requests(), [])
    await refusing.hookAlone('started begin', plain)

    const { hookAlone, requests, drivers } = hookHost(t)
    await hookAlone('prepare begin', wanted)
    t.strictSame(drivers(), THIRD_TAKEN)
    await hookAlone('prepare begin', plain)
    t.strictSame(drivers(), ALL_HOST)
    t.strictSame(requests(), [])
  },
)

t.test(
  'a hook that a killed libvirtd has left behind comes to its end before the next start',
  AS_ROOT,
  async (t) => {
    const { root, hookAlone, requests } = hookHost(t)
    mkdirSync(`${root}/run/qemu-rt/vms`)
    // That hook.
    const lock = `${root}/run/qemu-rt/vms/.libvirt-${UUID}.lock`
    const earlier = spawn(
      'flock',
      [
        lock,
        'sh',
        '-c',
        'echo ready; until [ -e "$1/go" ]; do sleep 0.1; done; sleep 2; : >"$1/ended"',
        'sh',
        root,
      ],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    t.teardown(() => earlier.kill())
    await once(earlier.stdout, 'data')
    await hookAlone('prepare begin', { uuid: OTHER_UUID, name: 'other' })
    t.notOk(existsSync(`${root}/ended`), 'another domain does not wait')
    writeFiles(root, { '/go': '' })
    await hookAlone('prepare begin')
    t.ok(existsSync(`${root}/ended`))
    t.strictSame(requests().sort(), [`libvirt-${UUID}.json`, `libvirt-${OTHER_UUID}.json`])
  },
)

t.test('no refusal is written without the lock of the records', AS_ROOT, async (t) => {
  const { hookAlone, requests } = hookHost(t)
  const { PATH } = process.env
  t.teardown(() => Object.assign(process.env, { PATH }))
  process.env.PATH = '/nonexistent'
  await t.rejects(hookAlone('prepare begin', {}), { message: /flock/, exitCode: 69 })
  t.strictSame(requests(), [])
})

t.test('what a domain must not say the hook refuses itself', AS_ROOT, async (t) => {
  const { hookAlone, requests } = hookHost(t)
  await t.rejects(hookAlone('prepare begin', { args: ['--rt-emulator', '/bin/sh'] }), {
    message: /^another emulator/,
  })
  t.strictSame(requests(), [])
})

t.test('a NIC that the host uses itself is not taken', AS_ROOT, async (t) => {
  const { root, hook, drivers } = hookHost(t)
  writeFiles(root, { '/proc/net/route': 'Iface\nens1f2\t00000000\n' })
  await t.rejects(hook('prepare begin', { request: '<nic name="fieldbus0"/>' }), {
    message:
      /^NIC 'fieldbus0' is not ready: the host uses 0000:03:00.2 itself: ens1f2 has the route .*; choose another NIC/,
  })
  t.strictSame(drivers(), ALL_HOST)
})

t.test('XML that is none fails with its line', AS_ROOT, async (t) => {
  const { root } = hookHost(t)
  await t.rejects(
    runHook(
      { domain: 'plc-1', operation: 'prepare', suboperation: 'begin', xml: '<domain>' },
      { sysroot: root, write: () => {} },
    ),
    {
      message: /^this is not a domain's XML: stdin:1: /,
      exitCode: 65,
    },
  )
})

t.test(
  'what is left of a start that libvirt gave up long ago is given back with the next',
  AS_ROOT,
  async (t) => {
    const { root, hook, requests, drivers } = hookHost(t)
    await hook('prepare begin', { args: ['--rt-nic', 'fieldbus0'] })
    const next = { uuid: OTHER_UUID, name: 'other' }
    await hook('prepare begin', next)
    t.strictSame(drivers(), THIRD_TAKEN, 'it may still be starting')
    const longAgo = new Date(Date.now() - 11 * 60_000)
    utimesSync(recordFile(root), longAgo, longAgo)
    await hook('release end', next)
    t.strictSame(drivers(), ALL_HOST)
    t.strictSame(requests(), [])
  },
)

t.test(
  'at release name or UUID is enough, and nothing that is not the domain is touched',
  AS_ROOT,
  async (t) => {
    const { hook, requests, drivers } = hookHost(t)
    for (const xml of [
      '',
      'x'.repeat(1_000_000),
      `<domain><uuid>${UUID}</uuid>`,
      '<domain><metadata><name>other</name>',
    ]) {
      await hook('prepare begin', { args: ['--rt-nic', 'fieldbus0'] })
      await hook('release end', { name: 'other', xml: '' })
      t.strictSame(drivers(), THIRD_TAKEN)
      await hook('release end', { xml })
      t.strictSame(drivers(), ALL_HOST)
      t.strictSame(requests(), [])
    }
  },
)

t.test(
  "what libvirt's own pins say against a profile that is not strict is kept for the domain's log",
  AS_ROOT,
  async (t) => {
    const { hook, request, root, config } = hookHost(t)
    writeFileSync(config, '[host]\nhousekeeping = "0"\n[profile.rt]\nvcpus = { cpus = "1" }\n')
    writeFiles(root, { '/sys/devices/system/cpu/present': '0-3\n' })
    const settings = "<cputune><vcpupin vcpu='0' cpuset='0'/><emulatorpin cpuset='2'/></cputune>"
    await hook('prepare begin', { args: ['--rt-profile', 'rt'], settings })
    t.match(request(), {
      notices: [
        "<vcpupin vcpu='0' cpuset='0'/> keeps vCPU 0 from CPU 1 of the profile; the hook sets its threads as the profile says",
      ],
      threads: { emulator: { cpus: '2' } },
    })
  },
)

t.test(
  "what the host lacks for real-time vCPUs is kept for the domain's log, in one line",
  AS_ROOT,
  async (t) => {
    const { hook, request, root, config } = hookHost(t)
    const vcpus = '{ cpus = "1", policy = "fifo" }'
    writeFileSync(config, `[host]\nhousekeeping = "0"\n[profile.rt]\nvcpus = ${vcpus}\nstrict = true\n`)
    writeFiles(root, {
      '/sys/devices/system/cpu/present': '0-3\n',
      '/sys/devices/system/cpu/isolated': '\n',
      '/proc/sys/kernel/sched_rt_runtime_us': '950000\n',
    })
    await hook('prepare begin', { args: ['--rt-profile', 'rt'] })
    t.match(request(), {
      notices: [
        /^real-time throttling is on .*; also CPU 1 of real-time vCPUs is not isolated: .*; boot with /,
      ],
    })
  },
)

t.test("a thread on a CPU that another VM holds is kept for the domain's log", AS_ROOT, async (t) => {
  const { hook, request, root, config } = hookHost(t)
  const profile = (name: string, policy: string) =>
    `[profile.${name}]\nvcpus = { cpus = "1", policy = "${policy}" }\n`
  writeFileSync(config, `[host]\nhousekeeping = "0"\n${profile('rt', 'fifo')}${profile('best', 'other')}`)
  writeFiles(root, { '/sys/devices/system/cpu/present': '0-3\n' })
  await hook('prepare begin', { args: ['--rt-profile', 'rt'], name: 'other', uuid: OTHER_UUID })
  await hook('prepare begin', { args: ['--rt-profile', 'best'] })
  t.match(request().notices, [/^vCPU 0 may run on CPU 1, which guest 'other' holds for itself: /])
})

t.test('a pool takes no NIC from the host while another one is bound already', AS_ROOT, async (t) => {
  // The third one has a name of its own, which counts less.
  for (const bound of [1, 2]) {
    const { root, hook, drivers } = hookHost(t)
    bindBefore(root, bound)
    const first = drivers()
    t.equal(first[bound], 'vfio-pci')
    await hook('prepare begin', { request: '<rt:nic name="line"/>' })
    t.strictSame(drivers(), first)
    await hook('prepare begin', { request: '<rt:nic name="line"/>', name: 'other', uuid: OTHER_UUID })
    t.equal(drivers()[0], 'vfio-pci', 'the next one is taken from the host')
  }
})

t.test('a NIC that is not back yet is given back by a later call', AS_ROOT, async (t) => {
  const { root, hook, drivers, requests } = hookHost(t)
  const first = drivers()
  await hook('prepare begin', { request: '<rt:nic name="fieldbus0"/>' })
  const taken = drivers()
  t.not(String(taken), String(first))
  const place = '../../devices/virtual/vfio/12'
  writeFiles(root, {
    '/proc/4711/comm': 'qemu-system-x86\n',
    ...openNode(root, { pid: 4711, fd: 12, node: '12', place }),
  })
  await hook('release end')
  t.strictSame(drivers(), taken, 'a process has it open')
  t.strictSame(requests(), [`left-libvirt-${UUID}.json`])
  await hook('release end', { name: 'other', uuid: OTHER_UUID })
  t.strictSame(requests(), [`left-libvirt-${UUID}.json`])
  rmSync(`${root}/proc/4711`, { recursive: true })
  await hook('release end', { name: 'other', uuid: OTHER_UUID })
  t.strictSame(drivers(), first)
  t.strictSame(requests(), [])
})

t.test('what two starts of one VM have left is all given back', AS_ROOT, async (t) => {
  const { root, hook, drivers, requests } = hookHost(t)
  const first = drivers()
  const place = '../../devices/virtual/vfio'
  await hook('prepare begin', { request: '<rt:nic name="fieldbus0"/>' })
  writeFiles(root, {
    '/proc/4711/comm': 'qemu-system-x86\n',
    ...openNode(root, { pid: 4711, fd: 12, node: '12', place: `${place}/12` }),
  })
  await hook('release end')
  await hook('prepare begin', { request: '<rt:nic name="line"/>' })
  t.not(drivers()[0], first[0], 'the pool gives its first')
  writeFiles(root, {
    '/proc/4712/comm': 'qemu-system-x86\n',
    '/proc/4712/fd/12': { to: `${root}/of-4712/dev/vfio/10` },
    '/proc/4712/fdinfo/12': fdinfo(),
    // Another node than the first process's.
    '/of-4712/dev/vfio/10': { to: '/dev/zero' },
    '/sys/dev/char/1:5': { to: `${place}/10` },
  })
  await hook('release end')
  t.strictSame(requests(), [`left-libvirt-${UUID}.json`])
  for (const pid of [4711, 4712]) rmSync(`${root}/proc/${pid}`, { recursive: true })
  await hook('release end', { name: 'other', uuid: OTHER_UUID })
  t.strictSame(drivers(), first)
  t.strictSame(requests(), [])
})
