import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { UserError } from '../../src/errors/user-error.js'
import { nativeXml } from '../../src/libvirt/native/native.js'
import { checkPlannedDevices, checkThreads, planDomain } from '../../src/libvirt/plan-domain.js'
import { writeFiles } from '../host/made-host.js'
import { bindBefore, hookHost, OTHER_UUID, type Wanted } from './hook-host.js'

/*
 * `domain plan` and `domain native` say of a domain what libvirt's hook says at its start: the same line, the same exit
 * code.
 */

/** The hook writes its records as root. */
const AS_ROOT = { skip: process.getuid?.() !== 0 && 'not root' }
const QEMU = '/usr/bin/qemu-system-x86_64'

type Host = ReturnType<typeof hookHost>

interface Case {
  readonly wanted: Wanted
  readonly exitCode: number
  readonly message: RegExp
  /** What is different on the host. */
  readonly host?: (host: Host) => void
}

const withConfig = (...args: string[]): Wanted => ({ args, env: {} })
const ELSEWHERE = /^a configuration elsewhere .* is not for a domain's XML to say: /
const PROGRAM = /^another emulator .* is not for a domain's XML to say: /
const SYSROOT = /^a sysroot .* is not for a domain's XML to say: \/tmp; /

/** Four CPUs, the last of them offline, and a configuration for them. */
function withCpus({ root, config }: Host, text: string): void {
  writeFileSync(config, text)
  writeFiles(root, {
    '/sys/devices/system/cpu/present': '0-3\n',
    '/sys/devices/system/cpu/online': '0-2\n',
  })
}

/** Each kind of setting that keeps a domain from being started. */
const REFUSED: Readonly<Record<string, Case>> = {
  'a <request> without the wrapper': {
    wanted: { emulator: QEMU, request: '' },
    exitCode: 78,
    message: /^domain 'plc-1' has a <request> in its <metadata>, and its <emulator> is not qemu-rt: /,
  },
  'an unknown element in <request>': {
    wanted: { request: '<nick/>' },
    exitCode: 65,
    message: /^the <request> in <metadata> is not understood: /,
  },
  'a configuration elsewhere, by --rt-config': {
    wanted: withConfig('--rt-config', '/dev/watchdog'),
    exitCode: 77,
    message: ELSEWHERE,
  },
  'a configuration elsewhere, by -rt-config=': {
    wanted: { args: ['-rt-config=/tmp/a.toml'] },
    exitCode: 77,
    message: ELSEWHERE,
  },
  'a configuration elsewhere, by QEMU_RT_CONFIG': {
    wanted: { env: { QEMU_RT_CONFIG: '/tmp/a.toml' } },
    exitCode: 77,
    message: ELSEWHERE,
  },
  'a configuration that is not there': {
    wanted: withConfig('--rt-config', '@CONFIG@.gone'),
    exitCode: 78,
    message: /^the configuration does not exist: /,
  },
  'a configuration that is wrong': {
    wanted: withConfig('--rt-config', '@CONFIG@'),
    exitCode: 78,
    message: /^the configuration is not valid TOML/,
    host: ({ config }) => writeFileSync(config, 'broken ['),
  },
  'a configuration that others can write': {
    wanted: withConfig('--rt-config', '@CONFIG@'),
    exitCode: 78,
    message: /^others than root can write the configuration: /,
    host: ({ config }) => chmodSync(config, 0o666),
  },
  'a sysroot, by --rt-sysroot': {
    wanted: { args: ['--rt-sysroot', '/tmp'] },
    exitCode: 77,
    message: SYSROOT,
  },
  'a sysroot, by QEMU_RT_SYSROOT': {
    wanted: { env: { QEMU_RT_CONFIG: '@CONFIG@', QEMU_RT_SYSROOT: '/tmp' } },
    exitCode: 77,
    message: SYSROOT,
  },
  'a program in place of QEMU, by --rt-emulator': {
    wanted: { args: ['--rt-emulator', '/bin/sh'] },
    exitCode: 77,
    message: PROGRAM,
  },
  'a program in place of QEMU, by QEMU_RT_EMULATOR': {
    wanted: { env: { QEMU_RT_CONFIG: '@CONFIG@', QEMU_RT_EMULATOR: '/bin/sh' } },
    exitCode: 77,
    message: PROGRAM,
  },
  'an emulator by a relative path': {
    wanted: { args: ['--rt-emulator', 'qemu-system-x86_64'] },
    exitCode: 64,
    message: /'qemu-system-x86_64' is not an absolute path/,
  },
  "another domain's UUID": {
    wanted: { args: ['-uuid', OTHER_UUID] },
    exitCode: 77,
    message: /^-uuid says that this is another domain: /,
  },
  "another domain's name": {
    wanted: { args: ['-name', 'by-name'] },
    exitCode: 77,
    message: /^-name says that this is another domain: /,
  },
  'an unknown profile': {
    wanted: { args: ['--rt-profile', 'tr'] },
    exitCode: 78,
    message: /^profile 'tr' is not defined: .*did you mean 'rt'/,
  },
  "another domain's profile": {
    wanted: { args: ['--rt-profile', 'theirs'] },
    exitCode: 77,
    message: /^profile 'theirs' is not for domain 'plc-1'/,
  },
  "another domain's NIC": {
    wanted: { request: '<nic name="theirs"/>' },
    exitCode: 77,
    message: /^NIC 'theirs' is not for domain 'plc-1'/,
  },
  "an interface's name": {
    wanted: { request: '<nic name="ens1f2"/>' },
    exitCode: 69,
    message: /^NIC 'ens1f2' is not in the configuration: /,
  },
  'an unknown NIC': {
    wanted: { args: ['--rt-nic', 'feldbus0'] },
    exitCode: 69,
    message: /^NIC 'feldbus0' .*did you mean 'fieldbus0'/,
  },
  'a device that the domain has not': {
    wanted: { request: '<nic name="fieldbus0" device="hostdev0"/>' },
    exitCode: 78,
    message: /^no vfio-pci device with id 'hostdev0' to put NIC 'fieldbus0' in: /,
  },
  'a NIC that the host uses': {
    wanted: { request: '<nic name="fieldbus0"/>' },
    exitCode: 69,
    message: /^NIC 'fieldbus0' is not ready: the host uses 0000:03:00\.2 itself: /,
    host: ({ root }) => writeFiles(root, { '/proc/net/route': 'Iface\nens1f2\t00000000\n' }),
  },
  'a NIC whose node libvirt hides': {
    wanted: { request: '<nic name="fieldbus0"/>' },
    exitCode: 69,
    message: /^libvirt hides \/dev\/vfio\/vfio and \/dev\/vfio\/12 from QEMU: /,
    host: ({ root }) => writeFileSync(`${root}/etc/libvirt/qemu.conf`, 'user = "qemu-user"\n'),
  },
  'a NIC for a user that is not there': {
    wanted: { request: '<nic name="fieldbus0"/>' },
    exitCode: 69,
    message: /^there is no user 'qemu-user' for QEMU: /,
    host: ({ root }) => writeFileSync(`${root}/etc/passwd`, ''),
  },
  'a CPU that is not there': {
    wanted: { args: ['--rt-profile', 'rt'] },
    exitCode: 78,
    message: /CPU 9 .*does not exist/,
    host: (made) => withCpus(made, '[profile.rt]\nvcpus = { cpus = "9" }\n'),
  },
  'more CPUs than are free': {
    wanted: { args: ['--rt-profile', 'rt'] },
    exitCode: 69,
    message: /CPU.*3/,
    host: (made) =>
      withCpus(
        made,
        '[host]\nhousekeeping = "0-2"\nrealtime = "3"\n[profile.rt]\nvcpus = { cpus = "auto" }\n',
      ),
  },
  'a pin of libvirt’s that contradicts a strict profile': {
    wanted: {
      args: ['--rt-profile', 'rt'],
      settings: "<cputune><vcpupin vcpu='0' cpuset='0'/><emulatorpin cpuset='2'/></cputune>",
    },
    exitCode: 78,
    message:
      /^guest 'plc-1' is not started \(profile 'rt' is strict\): its XML contradicts the profile: <vcpupin vcpu='0' cpuset='0'\/> keeps vCPU 0 from CPU 1 of the profile; take that out of the domain \('qemu-rt domain native' prints it so\) or out of the profile$/,
    host: (made) =>
      withCpus(
        made,
        '[host]\nhousekeeping = "0"\n[profile.rt]\nvcpus = { cpus = "1" }\nemulator = { cpus = "0" }\nstrict = true\n',
      ),
  },
  'the launcher itself as <emulator>': {
    wanted: { emulator: '/opt/rt/bin/qemu-rt' },
    exitCode: 64,
    message: / -- /,
  },
}

interface Verdict {
  readonly exitCode: number
  readonly message: string
}

/** Null when it is not refused. */
async function verdict(ask: () => unknown): Promise<Verdict | null> {
  try {
    await ask()
    return null
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    return { exitCode: error.exitCode, message: error.message }
  }
}

/** As `domain plan` does. */
async function plan({ root, xmlOf }: Host, wanted: Wanted, options = {}) {
  const planned = await planDomain(xmlOf(wanted), 'stdin', { sysroot: root, ...options }, `${root}/config`)
  const notes = [...planned.notes, ...checkPlannedDevices(planned, root)]
  checkThreads(planned)
  return { ...planned, notes }
}

for (const [title, { wanted, exitCode, message, host }] of Object.entries(REFUSED)) {
  t.test(title, AS_ROOT, async (t) => {
    const made = hookHost(t)
    host?.(made)
    const hooks = await verdict(() => made.hook('prepare begin', wanted))
    t.match(hooks, { exitCode, message }, 'the hook refuses it')
    t.strictSame(await verdict(() => plan(made, wanted)), hooks, 'so does domain plan')
  })
}

t.test('what the hook takes is planned, with the same profile and NICs', AS_ROOT, async (t) => {
  const taken: Wanted[] = [
    {},
    { args: ['--rt-config', '@CONFIG@', '--rt-profile', 'rt'], env: {} },
    { args: ['--rt-emulator', QEMU] },
    { request: '<nic name="fieldbus0"/><nic name="line"/>' },
    { name: 'by-name' },
    { name: 'press-1', args: ['--rt-profile', 'theirs', '--rt-nic', 'theirs'] },
  ]
  for (const wanted of taken) {
    const host = hookHost(t)
    const planned = await plan(host, wanted)
    await host.hook('prepare begin', wanted)
    const title = JSON.stringify(wanted)
    const { profile, nics } = host.request()
    t.strictSame(planned.plan.profile, profile, title)
    t.strictSame(
      planned.plan.nics.map(({ name, address }) => ({ name, address })),
      nics ?? [],
      title,
    )
    t.equal(planned.ask.domain?.nicsAreAsked ?? false, wanted.request !== undefined, title)
    t.type(nativeXml(host.xmlOf(wanted), planned).xml, 'string')
  }
})

t.test('of a pool the plan and the hook choose the same device, bound before or not', AS_ROOT, async (t) => {
  const cases: [number[], string][] = [
    [[], '0000:03:00.0'],
    [[1], '0000:03:00.1'],
    [[2, 3], '0000:03:00.2'],
  ]
  for (const [bound, address] of cases) {
    const host = hookHost(t)
    for (const index of bound) bindBefore(host.root, index)
    const wanted = { request: '<nic name="line"/>' }
    const { plan: planned, notes } = await plan(host, wanted)
    await host.hook('prepare begin', wanted)
    t.match([planned.nics, host.request().nics], [[{ address }], [{ address }]])
    const isTaken = notes.some((note) => note.includes('is not on vfio-pci yet'))
    t.equal(isTaken, bound.length === 0)
  }
})

t.test('a person may try out a configuration and a profile', AS_ROOT, async (t) => {
  const host = hookHost(t)
  const config = `${host.root}/tried.toml`
  writeFileSync(config, '[profile.rt]\n[profile.tried]\n')
  chmodSync(config, 0o666)
  const profileOf = async (wanted: Wanted, options: object) =>
    (await plan(host, wanted, options)).plan.profile
  t.equal(await profileOf({}, { config, profile: 'tried' }), 'tried')
  t.equal(await profileOf({ args: ['--rt-profile', 'rt'] }, { config, profile: 'tried' }), 'rt')
  t.equal(await profileOf({ request: '' }, { config, profile: 'tried' }), 'tried')
  const elsewhere = { env: { QEMU_RT_CONFIG: '/tmp/a.toml' } }
  t.match(await verdict(() => plan(host, elsewhere, { config })), { exitCode: 77, message: ELSEWHERE })
})

t.test('where qemu.conf cannot be read, that is said', AS_ROOT, async (t) => {
  const host = hookHost(t)
  rmSync(`${host.root}/etc/libvirt/qemu.conf`)
  const { notes } = await plan(host, { request: '<nic name="fieldbus0"/>' })
  t.ok(
    notes.includes('whether libvirt shows /dev/vfio/12 to QEMU is not known: qemu.conf cannot be read here'),
  )
})
