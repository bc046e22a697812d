import { once } from 'node:events'
import t from 'tap'
import { type DomainParts, domainName, domainXml } from '../e2e/domain-xml.js'
import { type Libvirt, NO_CPU_GROUPS, needsLibvirt, startLibvirtd } from '../e2e/libvirtd.js'
import type { Ended } from '../launcher/run.js'
import { COMPILER, compile } from './help/compile.js'

// H4, M3 and M4: what a domain's XML says by <qemu:env> and <qemu:arg>, which whoever defines domains writes.

const VICTIM_UUID = 'c1b6c8a4-5d8e-4a9b-9d4c-6f5e4d3c2b1a'
const CONFIG = `
[host]
housekeeping = "0"
realtime = "1"
[profile.rt]
vcpus = { cpus = "1" }
[profile.auto]
vcpus = { cpus = "auto", policy = "fifo", priority = 3 }
emulator = { cpus = "housekeeping" }
[[domain]]
name = "plc-1"
profile = "rt"
[[domain]]
uuid = "${VICTIM_UUID}"
profile = "rt"
`
const ON_CPU_1 = 'CPU 0/TCG: CPU 1, fifo 3'
const AUTO = '<r:request xmlns:r="urn:qemu-rt:request" profile="auto"/>'

/** Far longer than a start takes, which is a second or two. */
const SECONDS = 8
const TIMED_OUT = 124

async function define(libvirt: Libvirt, parts: Partial<DomainParts>): Promise<string> {
  const name = domainName()
  await libvirt.define(domainXml(name, { emulator: libvirt.emulator, ...parts }))
  return name
}

function start(libvirt: Libvirt, name: string): Promise<Ended> {
  return libvirt.run('timeout', String(SECONDS), 'virsh', '--connect', 'qemu:///system', 'start', name)
}

/** How a domain names a configuration. */
const WAYS: Readonly<Record<string, (path: string) => Partial<DomainParts>>> = {
  'QEMU_RT_CONFIG by <qemu:env>': (path) => ({ env: { QEMU_RT_CONFIG: path } }),
  '--rt-config by <qemu:arg>': (path) => ({ args: ['--rt-config', path] }),
  '-rt-config= by <qemu:arg>': (path) => ({ args: [`-rt-config=${path}`] }),
}

const SECRET = 'swordfish'

/** Files that only root can open, and what is at stake. */
const PREPARE = `
mkdir -m 700 /run/trap
mkfifo -m 600 /run/trap/fifo
# As /dev/watchdog, but it does as /dev/null does.
mknod -m 600 /run/trap/watchdog c 1 3
printf '${SECRET} = "${SECRET}-2"\\n[nic.${SECRET}-3]\\nmac = "${SECRET}-4"\\n' >/run/trap/secret.toml
chmod 600 /run/trap/secret.toml
ln -s /run/trap/secret.toml /run/trap/link.toml
`

t.test('a domain cannot have root open a file of its choice', async (t) => {
  if (!needsLibvirt(t, COMPILER)) return
  const libvirt = await startLibvirtd(t, { config: CONFIG, qemuConf: NO_CPU_GROUPS })
  await libvirt.run('sh', '-c', PREPARE)
  const traps = ['fifo', 'watchdog', 'secret.toml'].map((name) => `/run/trap/${name}`)
  const watch = libvirt.spawn(compile(t, 'opened', 'opened'), ...traps)
  let seen = ''
  watch.stdout.on('data', (chunk) => (seen += chunk))
  await once(watch.stdout, 'data')
  const paths = [...traps, '/run/trap/link.toml', '/etc/qemu-rt/../../run/trap/secret.toml']
  for (const [way, partsFor] of Object.entries(WAYS)) {
    for (const path of paths) {
      seen = ''
      const name = await define(libvirt, partsFor(path))
      const { status, stdout, stderr } = await start(libvirt, name)
      const what = `${way}, ${path}`
      t.not(status, TIMED_OUT, `${what}: virsh start ends`)
      t.equal(seen, '', `${what}: it is not opened`)
      t.notMatch(stdout + stderr + (await libvirt.log(name)), SECRET, `${what}: nobody reads what is in it`)
      // Whoever waits there goes on.
      await libvirt.run('timeout', '1', 'sh', '-c', ': >/run/trap/fifo')
      await libvirt.virsh('destroy', name)
    }
  }
  t.match(await libvirt.run('timeout', '10', 'virsh', 'list'), { status: 0 }, 'libvirtd answers')
})

t.test("a domain's sysroot hides nothing of what other VMs hold", async (t) => {
  if (!needsLibvirt(t)) return
  const libvirt = await startLibvirtd(t, { config: CONFIG, qemuConf: NO_CPU_GROUPS })
  const holder = await define(libvirt, { metadata: AUTO })
  await libvirt.ok('start', holder)
  t.ok((await libvirt.threads(holder)).includes(ON_CPU_1), 'the CPU is held')
  // This host, but for /run.
  await libvirt.run(
    'sh',
    '-c',
    'mkdir -m 777 /var/tmp/root && cd /var/tmp/root && ln -s /sys /proc /dev /etc .',
  )
  const ways: Partial<DomainParts>[] = [
    { env: { QEMU_RT_SYSROOT: '/var/tmp/root', QEMU_RT_PROFILE: 'auto' } },
    { args: ['--rt-profile', 'auto', '--rt-sysroot', '/var/tmp/root'] },
  ]
  for (const parts of ways) {
    const name = await define(libvirt, parts)
    const { status } = await start(libvirt, name)
    const threads = status === 0 ? await libvirt.threads(name) : []
    t.notOk(threads.includes(ON_CPU_1), `CPU 1 is not given twice: ${JSON.stringify(parts)}`)
    await libvirt.virsh('destroy', name)
  }
})

t.test('a domain cannot pass for another', async (t) => {
  if (!needsLibvirt(t)) return
  const libvirt = await startLibvirtd(t, { config: CONFIG, qemuConf: NO_CPU_GROUPS })
  const ways = [
    ['-uuid', VICTIM_UUID],
    ['--uuid', VICTIM_UUID.toUpperCase()],
    ['-name', 'plc-1'],
    ['-name', 'guest=plc-1'],
    ['--name', 'debug-threads=on,guest=plc-1'],
  ]
  for (const args of ways) {
    const name = await define(libvirt, { args })
    const { status, stderr } = await start(libvirt, name)
    t.equal(status, 1, `${args.join(' ')} is refused`)
    t.match(stderr, /qemu-rt: /, `${args.join(' ')} with the reason`)
    await libvirt.virsh('destroy', name)
  }
})

t.test('a domain cannot name a program in place of the QEMU that is configured', async (t) => {
  if (!needsLibvirt(t)) return
  const libvirt = await startLibvirtd(t, { config: CONFIG, qemuConf: NO_CPU_GROUPS })
  const program = '/var/tmp/not-qemu-system-x86_64'
  const put = `printf '#!/bin/sh\\n: >/var/tmp/ran\\nexec /usr/bin/qemu-system-x86_64 "$@"\\n' >$1; chmod 755 $1; chown libvirt-qemu $1; chmod 777 /var/tmp`
  await libvirt.run('sh', '-c', put, 'sh', program)
  for (const parts of [{ env: { QEMU_RT_EMULATOR: program } }, { args: ['--rt-emulator', program] }]) {
    const name = await define(libvirt, parts)
    t.match(await start(libvirt, name), { status: 1, stderr: /qemu-rt: / }, JSON.stringify(parts))
    t.match(await libvirt.run('test', '-e', '/var/tmp/ran'), { status: 1 }, 'it is not run')
    await libvirt.virsh('destroy', name)
  }
})
