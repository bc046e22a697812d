import t from 'tap'
import { domainName, domainXml } from '../e2e/domain-xml.js'
import { install, type Libvirt, NO_CPU_GROUPS, needsLibvirt, startLibvirtd } from '../e2e/libvirtd.js'
import { COMPILER } from './help/compile.js'
import { hostileQemu } from './help/hostile.js'
import { impostor } from './help/impostor.js'
import { forgedPlan } from './help/plans.js'
import { restart } from './help/restart.js'

// H1 and H6: plans that root finds in the environment of processes that are not root's.

const CONFIG = `
[host]
housekeeping = "0"
realtime = "1"
[profile.rt]
vcpus = { cpus = "1", policy = "fifo", priority = 3 }
emulator = { cpus = "housekeeping" }
iothreads = { cpus = "housekeeping" }
`
const METADATA = '<r:request xmlns:r="urn:qemu-rt:request" profile="rt"/>'
const AS_PLANNED = ['CPU 0, other', 'CPU 1, fifo 3']
const UNSET = 'CPU 0-1, other'

/** What a domain's threads have: each way once. */
async function settings(libvirt: Libvirt, name: string): Promise<string[]> {
  const threads = await libvirt.threads(name)
  return [...new Set(threads.map((thread) => thread.replace(/^.*: (?=CPU )/, '')))].sort()
}

/** Puts a process's threads where they are when nobody has set them. */
const RESET = `
for task in /proc/$1/task/*; do
  chrt --other --pid 0 "\${task##*/}"
  taskset --pid --cpu-list 0-1 "\${task##*/}"
done`

t.test('a plan that QEMU has exchanged for another is not applied', async (t) => {
  if (!needsLibvirt(t, COMPILER)) return
  const libvirt = await startLibvirtd(t, { config: CONFIG, qemuConf: NO_CPU_GROUPS })
  const start = async (metadata: string, ...first: string[]) => {
    const name = domainName()
    const hostile = hostileQemu(t, ...first)
    await libvirt.define(domainXml(name, { emulator: libvirt.emulator, metadata, env: hostile.env }))
    await libvirt.ok('start', name)
    const pid = (await libvirt.run('cat', `/run/libvirt/qemu/${name}.pid`)).stdout.trim()
    return { name, pid, hostile }
  }
  const doings = ({ name, pid }: { readonly name: string; readonly pid: string }) => ({
    'a restart of libvirtd': () => restart(libvirt, name),
    'tune --all': () => libvirt.run('qemu-rt', 'tune', '--all'),
    'tune --domain': () => libvirt.run('qemu-rt', 'tune', '--domain', name),
    'tune --pid': () => libvirt.run('qemu-rt', 'tune', '--pid', pid),
  })

  const asked = await start(METADATA)
  t.strictSame(await settings(libvirt, asked.name), AS_PLANNED, 'as the profile says')
  t.equal(await asked.hostile.obey(`environment ${forgedPlan(asked.name)}`), 0, 'QEMU has forged it')
  for (const [doing, action] of Object.entries(doings(asked))) {
    await libvirt.run('sh', '-c', RESET, 'sh', asked.pid)
    await action()
    const found = await settings(libvirt, asked.name)
    const strange = found.filter((one) => ![...AS_PLANNED, UNSET].includes(one))
    t.strictSame(strange, [], `${doing} gives what the profile gives, or nothing`)
  }
  await libvirt.ok('destroy', asked.name)

  const early = await start(METADATA, `environment ${forgedPlan('early')}`)
  t.strictSame(await settings(libvirt, early.name), AS_PLANNED, 'nor before the guest runs')

  const plain = await start('', `environment ${forgedPlan('plain')}`)
  for (const [doing, action] of Object.entries(doings(plain))) {
    await libvirt.run('sh', '-c', RESET, 'sh', plain.pid)
    await action()
    t.strictSame(await settings(libvirt, plain.name), [UNSET], `${doing} where no profile was asked for`)
  }
})

t.test('no process gets what is meant for another by having its name', async (t) => {
  if (!needsLibvirt(t, COMPILER)) return
  const libvirt = await startLibvirtd(t, { config: CONFIG, qemuConf: NO_CPU_GROUPS })
  const victim = domainName()
  await libvirt.define(domainXml(victim, { emulator: libvirt.emulator, metadata: METADATA }))
  await libvirt.ok('start', victim)
  const looks = await impostor(t, libvirt, {
    args: ['-name', `guest=${victim},debug-threads=on`],
    env: [forgedPlan(victim)],
  })
  const other = domainName()
  const hostile = hostileQemu(t)
  await libvirt.define(domainXml(other, { emulator: libvirt.emulator, env: hostile.env }))
  await libvirt.ok('start', other)
  t.equal(await hostile.obey(`environment ${forgedPlan(victim)}`), 0, 'QEMU has forged its plan')
  t.equal(
    await hostile.obey(`arguments /usr/bin/qemu-system-x86_64 -name guest=${victim}`),
    0,
    'and its name',
  )
  const pid = (await libvirt.run('cat', `/run/libvirt/qemu/${other}.pid`)).stdout.trim()
  const before = await looks.threads()
  for (const args of [[], ['--profile', 'rt'], ['--set', 'emulator=0:fifo:3']]) {
    for (const one of [looks.pid, pid]) await libvirt.run('sh', '-c', RESET, 'sh', one)
    await libvirt.run('qemu-rt', 'tune', '--domain', victim, ...args)
    t.strictSame(await looks.threads(), before, `a process of nobody, tune ${args.join(' ')}`)
    t.strictSame(await settings(libvirt, other), [UNSET], `another VM, tune ${args.join(' ')}`)
  }
})

t.test('a process of another user is left alone, whatever it looks like', async (t) => {
  if (!needsLibvirt(t, COMPILER)) return
  const installed = await install(t, { config: CONFIG })
  const looks = await impostor(t, installed, {
    args: ['-name', 'guest=plc-1,debug-threads=on'],
    env: [forgedPlan('plc-1')],
  })
  const before = await looks.threads()
  t.equal(before.length, 2, 'it has a thread that looks like a vCPU')
  const commands = [
    ['--all'],
    ['--all', '--profile', 'rt'],
    ['--domain', 'plc-1'],
    ['--domain', 'plc-1', '--profile', 'rt'],
    // The person says which process and not what it is to get: that does not say so either.
    ['--pid', looks.pid],
  ]
  for (const command of commands) {
    await installed.run('sh', '-c', RESET, 'sh', looks.pid)
    await installed.run('qemu-rt', 'tune', ...command)
    t.strictSame(await looks.threads(), before, `tune ${command.join(' ').replace(looks.pid, 'PID')}`)
  }
})
