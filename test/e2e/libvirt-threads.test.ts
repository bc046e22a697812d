import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { DAEMON } from './daemon.js'
import { type DomainParts, domainName, domainXml } from './domain-xml.js'
import { type Libvirt, NO_CPU_GROUPS, needsLibvirt, startLibvirtd } from './libvirtd.js'
import { waitFor } from './wait.js'

const CONFIG = `
[host]
housekeeping = "0"
realtime = "1"

[profile.rt]
vcpus = { cpus = { 0 = "1", 1 = "0" }, policy = "fifo", priority = 3, realtime-mask = "^1" }
emulator = { cpus = "housekeeping" }

[profile.later]
vcpus = { cpus = { 0 = "1", 1 = "0", 2 = "0" }, policy = "fifo", priority = 3, realtime-mask = "^1-2", hotplug = "later" }
emulator = { cpus = "housekeeping" }

[profile.cpus]
vcpus = { cpus = "1" }

[profile.strict]
vcpus = { cpus = "1", policy = "fifo" }
strict = true

[profile.pinned]
vcpus = { cpus = "1", policy = "fifo", priority = 2 }
emulator = { cpus = "housekeeping" }

[profile.refused]
vcpus = { cpus = "1", policy = "fifo" }
emulator = { cpus = "housekeeping" }
strict = true

[profile.nova]
emulator = { cpus = "housekeeping" }
strict = true

[[domain]]
name = "rt-*-by-name"
profile = "rt"

[[domain]]
flavor = "rt.*"
profile = "rt"
`

const AS_PLANNED = ['CPU 0/TCG: CPU 1, fifo 3', 'others: CPU 0, other']

const NOVA = `<nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1">
  <nova:name>plc</nova:name><nova:flavor name="rt.small"/></nova:instance>`

const METADATA = '<r:request xmlns:r="urn:qemu-rt:request" profile="rt"/>'

/** Stops libvirtd when QEMU has made its vCPU thread, which libvirt knows of a moment later only. */
const STOP_AT_VCPU = `
until grep -qs '^CPU 0/' /proc/"$(cat "/run/libvirt/qemu/$1.pid")"/task/*/comm; do sleep 0.01; done
kill -STOP "$(cat ${DAEMON.pidFile})"`

/** The vCPU threads, and where all the others are: not all of them have a name of their own. */
async function threads(libvirt: Libvirt, name: string): Promise<string[]> {
  const all = await libvirt.threads(name)
  return [
    ...new Set(all.map((thread) => (/^CPU \d/.test(thread) ? thread : thread.replace(/^.*?:/, 'others:')))),
  ].sort()
}

async function started(libvirt: Libvirt, parts: Partial<DomainParts>, name = domainName()): Promise<string> {
  await libvirt.define(domainXml(name, { emulator: libvirt.emulator, ...parts }))
  await libvirt.ok('start', name)
  return name
}

t.test('a profile holds whatever libvirt does to the domain', async (t) => {
  if (!needsLibvirt(t)) return
  const libvirt = await startLibvirtd(t, { config: CONFIG, qemuConf: NO_CPU_GROUPS })
  const name = await started(libvirt, { metadata: METADATA, vcpus: { current: 1, most: 2 } })
  t.strictSame(await threads(libvirt, name), AS_PLANNED, 'as soon as virsh start returns')
  t.match(
    await libvirt.log(name),
    /^qemu-rt: guest '.*': emulator on CPU 0, vCPU 0 on CPU 1 fifo 3; set by the hook$/m,
  )
  await sleep(5000)
  t.strictSame(await threads(libvirt, name), AS_PLANNED, '5 s after')
  await libvirt.restart()
  t.strictSame(await threads(libvirt, name), AS_PLANNED, 'after a restart of libvirtd')
  await libvirt.ok('suspend', name)
  await libvirt.ok('resume', name)
  t.strictSame(await threads(libvirt, name), AS_PLANNED, 'after suspend and resume')
  await libvirt.ok('setvcpus', name, '2', '--live')
  const [first, second, ...rest] = await threads(libvirt, name)
  t.strictSame([first, ...rest], AS_PLANNED, 'after a vCPU was plugged in')
  t.match(second, /^CPU 1\/TCG: /)
  t.match(await libvirt.run('qemu-rt', 'tune', '--domain', name), { status: 0, stderr: '' })
  t.equal((await threads(libvirt, name))[1], 'CPU 1/TCG: CPU 0, other', 'the new vCPU, when it was tuned')
  await libvirt.ok('destroy', name)
  t.match(await libvirt.run('ls', '/run/qemu-rt/vms'), { status: 0, stdout: '' }, 'nothing is left')
})

t.test('<vcpus> says which vCPUs there are from the start, and each is placed', async (t) => {
  if (!needsLibvirt(t)) return
  const libvirt = await startLibvirtd(t, { config: CONFIG, qemuConf: NO_CPU_GROUPS })
  const vcpus = `<vcpus>
    <vcpu id='0' enabled='yes' hotpluggable='no' order='1'/><vcpu id='1' enabled='no' hotpluggable='yes'/>
    <vcpu id='2' enabled='yes' hotpluggable='yes' order='2'/><vcpu id='3' enabled='no' hotpluggable='yes'/></vcpus>`
  const parts = { vcpus: { current: 2, most: 4 }, settings: vcpus, args: ['--rt-profile', 'later'] }
  const name = await started(libvirt, parts)
  t.strictSame(await threads(libvirt, name), [
    'CPU 0/TCG: CPU 1, fifo 3',
    'CPU 2/TCG: CPU 0, other',
    'others: CPU 0, other',
  ])
  t.match(await libvirt.log(name), /vCPU 2 on CPU 0 other; set by the hook$/m)
  await libvirt.ok('destroy', name)
})

t.test('a restarted libvirtd sets again what was changed meanwhile', async (t) => {
  if (!needsLibvirt(t)) return
  const libvirt = await startLibvirtd(t, { config: CONFIG, qemuConf: NO_CPU_GROUPS })
  const name = await started(libvirt, { metadata: METADATA })
  const undo = `for task in /proc/$(cat /run/libvirt/qemu/${name}.pid)/task/*; do chrt -o -p 0 "\${task##*/}"; done`
  await libvirt.run('sh', '-c', undo)
  t.match(await threads(libvirt, name), ['CPU 0/TCG: CPU 1, other'])
  await libvirt.restart()
  await waitFor('the hook', 10, async () => (await threads(libvirt, name))[0] === AS_PLANNED[0])
})

t.test('a profile is asked for in each way', async (t) => {
  if (!needsLibvirt(t)) return
  const libvirt = await startLibvirtd(t, { config: CONFIG, qemuConf: NO_CPU_GROUPS })
  const ways: Record<string, [Partial<DomainParts>, string?]> = {
    'an argument': [{ args: ['--rt-profile', 'rt'] }],
    'the environment': [{ env: { QEMU_RT_PROFILE: 'rt' } }],
    "the domain's name": [{}, `${domainName()}-by-name`],
    "Nova's flavor": [{ metadata: NOVA }],
  }
  for (const [way, [parts, name]] of Object.entries(ways)) {
    const domain = await started(libvirt, parts, name)
    t.strictSame(await threads(libvirt, domain), AS_PLANNED, way)
    await libvirt.ok('destroy', domain)
  }
  const plain = await started(libvirt, {})
  t.match(await threads(libvirt, plain), ['CPU 0/TCG: CPU 0-1, other'], 'and not when nobody asks')
})

t.test("by libvirtd's PATH the wrapper is there for domains that name no emulator, as Nova's", async (t) => {
  if (!needsLibvirt(t)) return
  const files = { config: CONFIG, qemuConf: NO_CPU_GROUPS, path: '/usr/local/lib/qemu-rt/emulators' }
  const libvirt = await startLibvirtd(t, files)
  const name = await started(libvirt, { emulator: null, metadata: NOVA })
  t.match(await libvirt.ok('dumpxml', name), '<emulator>/usr/local/lib/qemu-rt/emulators/qemu-system-x86_64<')
  t.strictSame(await threads(libvirt, name), AS_PLANNED)
  t.match(await libvirt.log(name), /set by the hook$/m)
})

t.test('without the hook the wrapper sets the threads itself, as far as its user may', async (t) => {
  if (!needsLibvirt(t)) return
  const files = { config: CONFIG, qemuConf: NO_CPU_GROUPS, hook: false }
  const args = ['--rt-profile', 'rt']
  const line = async (libvirt: Libvirt, name: string) =>
    await waitFor(
      "the tuner's line",
      30,
      async () => /^qemu-rt: (?:warning: )?guest .*/m.exec(await libvirt.log(name))?.[0] ?? null,
    )
  const mayRaise = spawnSync('prlimit', ['--rtprio=5', 'true']).status === 0
  const skip = !mayRaise && 'RLIMIT_RTPRIO cannot be raised here (CAP_SYS_RESOURCE)'
  await t.test('with a limit for real-time priorities', { skip }, async (t) => {
    const libvirt = await startLibvirtd(t, { ...files, realtimeLimit: 5 })
    const name = await started(libvirt, { args })
    t.match(await line(libvirt, name), /vCPU 0 on CPU 1 fifo 3; set after \d+ ms/)
    t.strictSame(await threads(libvirt, name), AS_PLANNED)
  })
  await t.test('without', async (t) => {
    const libvirt = await startLibvirtd(t, files)
    const name = await started(libvirt, { args })
    t.match(
      await line(libvirt, name),
      /warning: .*RLIMIT_RTPRIO of QEMU is 0.*set LimitRTPRIO=99 for libvirtd/,
    )
    t.match(await threads(libvirt, name), ['CPU 0/TCG: CPU 1, other'], 'it has its CPU at least')
  })
})

t.test('without the hook the threads are set again after a libvirtd that was slow', async (t) => {
  if (!needsLibvirt(t)) return
  const libvirt = await startLibvirtd(t, { config: CONFIG, qemuConf: NO_CPU_GROUPS, hook: false })
  const name = domainName()
  await libvirt.define(domainXml(name, { emulator: libvirt.emulator, args: ['--rt-profile', 'cpus'] }))
  const start = libvirt.ok('start', name)
  await libvirt.run('sh', '-c', STOP_AT_VCPU, 'sh', name)
  await sleep(7000)
  t.match(await threads(libvirt, name), ['CPU 0/TCG: CPU 1, other'], 'before libvirtd was there')
  await libvirt.run('sh', '-c', `kill -CONT "$(cat ${DAEMON.pidFile})"`)
  await start
  const tuned = await waitFor("the tuner's line", 30, async () =>
    /set after (\d+) ms/.exec(await libvirt.log(name)),
  )
  // libvirt 9 and 11 let a vCPU run on all CPUs before they continue the guest; 12 leaves it where it is.
  t.comment(Number(tuned[1]) > 7000 ? 'libvirtd undid it' : 'libvirtd left it')
  t.match(await threads(libvirt, name), ['CPU 0/TCG: CPU 1, other'], 'and after')
})

t.test("where the kernel keeps real-time threads out of libvirt's groups that is said", async (t) => {
  if (!needsLibvirt(t)) return
  if (!existsSync('/sys/fs/cgroup/cpu/cpu.rt_runtime_us')) {
    t.pass('a kernel without RT_GROUP_SCHED', { skip: 'this kernel has no RT_GROUP_SCHED with cgroup v1' })
    return
  }
  const libvirt = await startLibvirtd(t, { config: CONFIG })
  const name = await started(libvirt, { metadata: METADATA })
  t.match(await threads(libvirt, name), ['CPU 0/TCG: CPU 1, other'])
  t.match(
    await libvirt.log(name),
    /^qemu-rt: warning: .*its cgroup has no real-time time.*leave "cpu" out of cgroup_controllers.*runs on without$/m,
  )
  await libvirt.ok('destroy', name)
  const strict = domainName()
  const parts = { emulator: libvirt.emulator, args: ['--rt-profile', 'strict'] }
  await libvirt.define(domainXml(strict, parts))
  const { status, stderr } = await libvirt.virsh('start', strict)
  t.equal(status, 1)
  t.match(
    stderr,
    /qemu-rt: guest '.*' is not started \(strict\): vCPU 0 cannot have fifo 1: its cgroup has no real-time/,
  )
  t.equal((await libvirt.ok('domstate', strict)).trim(), 'shut off')
})

/** A `<cputune>` of the domain. */
const pinsBy = (elements: string) => ({ settings: `<cputune>${elements}</cputune>` })

t.test("libvirt's own pins contradict a profile, which is said or refused, and carried out", async (t) => {
  if (!needsLibvirt(t)) return
  const libvirt = await startLibvirtd(t, { config: CONFIG, qemuConf: NO_CPU_GROUPS })
  const profile = (name: string) => ({ args: ['--rt-profile', name] })
  const float = await started(libvirt, { ...profile('pinned'), ...pinsBy("<emulatorpin cpuset='1'/>") })
  t.strictSame(await threads(libvirt, float), ['CPU 0/TCG: CPU 1, fifo 2', 'others: CPU 0, other'])
  t.notMatch(await libvirt.log(float), /emulatorpin|taskset/)
  await libvirt.ok('destroy', float)
  const other = await started(libvirt, { ...profile('pinned'), ...pinsBy("<vcpupin vcpu='0' cpuset='0'/>") })
  t.strictSame(await threads(libvirt, other), ['CPU 0/TCG: CPU 1, fifo 2', 'others: CPU 0, other'])
  t.match(
    await libvirt.log(other),
    /^qemu-rt: warning: guest '.*': <vcpupin vcpu='0' cpuset='0'\/> keeps vCPU 0 from CPU 1 of the profile;/m,
  )
  await libvirt.ok('destroy', other)
  const taken = await started(libvirt, { ...profile('cpus'), ...pinsBy("<emulatorpin cpuset='1'/>") })
  t.strictSame(await threads(libvirt, taken), ['CPU 0/TCG: CPU 1, other', 'others: CPU 1, other'])
  await libvirt.ok('destroy', taken)
  const refused = domainName()
  const parts = {
    emulator: libvirt.emulator,
    ...profile('refused'),
    ...pinsBy("<vcpupin vcpu='0' cpuset='0'/>"),
  }
  await libvirt.define(domainXml(refused, parts))
  t.match(await libvirt.virsh('start', refused), {
    status: 1,
    stderr:
      /qemu-rt: guest '.*' is not started \(profile 'refused' is strict\): .*<vcpupin vcpu='0' cpuset='0'\/>/,
  })
})

t.test(
  'emulator threads float over the CPUs of vCPUs, as Nova has it, until the hook moves them',
  async (t) => {
    if (!needsLibvirt(t)) return
    const libvirt = await startLibvirtd(t, { config: CONFIG, qemuConf: NO_CPU_GROUPS })
    const pins =
      "<vcpupin vcpu='0' cpuset='1'/><emulatorpin cpuset='1'/><vcpusched vcpus='0' scheduler='fifo' priority='1'/>"
    const name = await started(libvirt, { args: ['--rt-profile', 'nova'], ...pinsBy(pins) })
    const planned = ['CPU 0/TCG: CPU 1, fifo 1', 'others: CPU 0, other']
    t.strictSame(await threads(libvirt, name), planned)
    await libvirt.restart()
    t.strictSame(await threads(libvirt, name), planned, 'after a restart of libvirtd')
  },
)

t.test('without the hook one line says which element keeps QEMU from its CPUs', async (t) => {
  if (!needsLibvirt(t)) return
  const libvirt = await startLibvirtd(t, { config: CONFIG, qemuConf: NO_CPU_GROUPS, hook: false })
  const name = await started(libvirt, {
    args: ['--rt-profile', 'pinned'],
    ...pinsBy("<emulatorpin cpuset='1'/>"),
  })
  t.match(
    await libvirt.log(name),
    /^qemu-rt: warning: emulator threads cannot have CPU 0: the cpuset that QEMU is started in is 1 \(libvirt: <emulatorpin>/m,
  )
  await libvirt.ok('destroy', name)
  const strict = domainName()
  const parts = { emulator: libvirt.emulator, args: ['--rt-profile', 'refused'] }
  await libvirt.define(domainXml(strict, { ...parts, ...pinsBy("<emulatorpin cpuset='1'/>") }))
  const { status, stderr } = await libvirt.virsh('start', strict)
  t.equal(status, 1)
  t.match(stderr, /qemu-rt: emulator threads cannot have CPU 0: the cpuset that QEMU is started in is 1/)
  t.notMatch(stderr, 'taskset')
})
