import t from 'tap'
import { domainName, domainXml } from '../e2e/domain-xml.js'
import { type Installed, install, NO_CPU_GROUPS, needsLibvirt, startLibvirtd } from '../e2e/libvirtd.js'
import { IN_A_FILE, launch, QEMU_USER } from './help/launch.js'
import { ONE_CPU } from './help/one-cpu.js'

// M6, and of L the broken environment: directories that cannot be read or written, and others' umask.

const CONFIG = `${ONE_CPU}[[domain]]
flavor = "rt.*"
profile = "rt"
`
const AS_PLANNED = 'CPU 0/TCG: CPU 1, fifo 3'
/** What QEMU's command line does not carry. */
const REQUESTS = {
  '<request>': '<r:request xmlns:r="urn:qemu-rt:request" profile="rt"/>',
  "Nova's flavor": `<n:instance xmlns:n="http://openstack.org/xmlns/libvirt/nova/1.1"><n:flavor name="rt.1"/></n:instance>`,
}

/** What is made of /run/qemu-rt before a domain is started, and libvirtd's umask. */
const STATES: Readonly<Record<string, { readonly umask: string; readonly make: string }>> = {
  'without /run/qemu-rt, under umask 077': { umask: '077', make: 'rm -rf /run/qemu-rt' },
  'with /run/qemu-rt 0700': { umask: '022', make: 'chmod 700 /run/qemu-rt' },
  'with each directory in it 0700': { umask: '022', make: 'chmod 700 /run/qemu-rt/*' },
}

for (const [state, { umask, make }] of Object.entries(STATES)) {
  t.test(`${state} a domain gets what it asks for, or is not started`, async (t) => {
    if (!needsLibvirt(t)) return
    const libvirt = await startLibvirtd(t, { config: CONFIG, qemuConf: NO_CPU_GROUPS, umask })
    for (const [way, metadata] of Object.entries(REQUESTS)) {
      await libvirt.run('sh', '-c', make)
      const name = domainName()
      await libvirt.define(domainXml(name, { emulator: libvirt.emulator, metadata }))
      const { status, stderr } = await libvirt.virsh('start', name)
      if (status === 0) t.ok((await libvirt.threads(name)).includes(AS_PLANNED), `${way}: it has its profile`)
      else t.match(stderr, /qemu-rt: /, `${way}: it is refused, and why`)
      await libvirt.virsh('destroy', name)
    }
  })
}

t.test('under umask 000 nobody else may write what is made', async (t) => {
  if (!needsLibvirt(t)) return
  const libvirt = await startLibvirtd(t, { config: CONFIG, qemuConf: NO_CPU_GROUPS, umask: '000' })
  await libvirt.run('rm', '-rf', '/run/qemu-rt', '/var/lib/qemu-rt')
  const check = async (when: string) => {
    // A group's directory is sticky: what others have in it stays theirs.
    const found =
      'find /run/qemu-rt /var/lib/qemu-rt \\( -perm /002 -o -perm /020 ! -perm -1000 \\) ! -type l -ls'
    t.equal((await libvirt.run('sh', '-c', found)).stdout, '', `${when}: not for others`)
    t.match(await libvirt.run('test', '-d', '/run/qemu-rt'), { status: 0 }, `${when}: it was made`)
  }
  const name = domainName()
  await libvirt.define(domainXml(name, { emulator: libvirt.emulator, metadata: REQUESTS['<request>'] }))
  await libvirt.virsh('start', name)
  await check('by the hook, and by the wrapper in the domain')
  await libvirt.virsh('destroy', name)
  await libvirt.run('rm', '-rf', '/run/qemu-rt', '/var/lib/qemu-rt')
  await launch(libvirt, 30, ['sh', '-c', 'umask 000; exec "$@"', 'sh'])
  await check('by hand')
})

/** /run/qemu-rt as it is, on a file system of its own that is `options`. */
const MOVE = `
cp -a /run/qemu-rt /run/kept
mount -t tmpfs -o size=16k,mode=755 tmpfs /run/qemu-rt
cp -a /run/kept/. /run/qemu-rt/`
const FILL = 'cat /dev/zero >/run/qemu-rt/fill; true'

/** What keeps leases from being written, and what ends that. */
const OBSTACLES: Readonly<Record<string, { readonly make: string; readonly end: string }>> = {
  'no space': { make: `${MOVE}; ${FILL}`, end: 'rm /run/qemu-rt/fill' },
  'read only': {
    make: `${MOVE}; mount -o remount,ro /run/qemu-rt`,
    end: 'mount -o remount,rw /run/qemu-rt',
  },
}
const LEASE_FILES = ['find', '/run/qemu-rt', '-name', '*.lease*', '-o', '-name', '*.json*']
const ONE_LINE = /^qemu-rt: (?!internal error)[^\n]+; [^\n]+\n$/

for (const [what, { make, end }] of Object.entries(OBSTACLES)) {
  t.test(`${what} for leases: a clear line, and nothing half-made`, async (t) => {
    if (!needsLibvirt(t)) return
    const installed = await install(t, { config: CONFIG })
    await makeDirectories(installed)
    await installed.run('sh', '-c', make)
    for (const user of [[], QEMU_USER]) {
      const who = user.length === 0 ? 'root' : "libvirt's user"
      const { status, stderr } = await launch(installed, 30, user)
      t.not(status, 0, `${who} gets no VM without its lease`)
      t.match(stderr, ONE_LINE, `${who} reads why`)
      t.equal((await installed.run(...LEASE_FILES)).stdout, '', `${who} leaves nothing`)
    }
    await installed.run('sh', '-c', end)
    t.match(await launch(installed, 30), { status: 0 }, 'and afterwards all is well')
  })
}

/** Those that a launch makes are there. */
async function makeDirectories(installed: Installed): Promise<void> {
  const { run } = installed
  for (const user of [[], QEMU_USER]) {
    const { status } = await launch(installed, 30, user)
    if (status !== 0) throw new Error('a launch failed with nothing in its way')
    await run('sh', '-c', 'kill "$(pidof qemu-system-x86_64)"; sleep 0.5')
  }
  await run('sh', '-c', 'rm -f /run/qemu-rt/leases/*/*')
}

t.test('a file may not grow: a clear line, and nothing half-made', async (t) => {
  if (!needsLibvirt(t)) return
  const installed = await install(t, { config: CONFIG })
  const { run } = installed
  const qemu = [
    'qemu-rt',
    'run',
    '--profile',
    'rt',
    '--',
    '-machine',
    'pc',
    '-display',
    'none',
    '-S',
    '-daemonize',
  ]
  // Through a pipe: what is said must not be in a file.
  const { status, stderr } = await run('timeout', '30', 'prlimit', '--fsize=0', ...qemu)
  t.not(status, 0, 'there is no VM without its lease')
  t.match(stderr, ONE_LINE, 'why is said')
  t.equal((await run(...LEASE_FILES)).stdout, '', 'nothing is left')
})

t.test('no space for what the hook writes: the domain is refused, and nothing half-made', async (t) => {
  if (!needsLibvirt(t)) return
  const libvirt = await startLibvirtd(t, { config: CONFIG, qemuConf: NO_CPU_GROUPS })
  const name = domainName()
  const metadata = REQUESTS['<request>']
  await libvirt.define(domainXml(name, { emulator: libvirt.emulator, metadata }))
  await libvirt.run('sh', '-c', `${MOVE}; ${FILL}`)
  const { status, stderr } = await libvirt.virsh('start', name)
  t.equal(status, 1, 'the domain is not started')
  t.match(stderr, /qemu-rt: (?!internal error)/, 'why is said')
  t.equal((await libvirt.run(...LEASE_FILES)).stdout, '', 'nothing is left')
  await libvirt.run('rm', '/run/qemu-rt/fill')
  await libvirt.ok('start', name)
  t.ok((await libvirt.threads(name)).includes(AS_PLANNED), 'and with space it is')
  await libvirt.ok('destroy', name)
})

t.test('a directory above the configuration that others can write', async (t) => {
  if (!needsLibvirt(t)) return
  const { run, emulator } = await install(t, { config: CONFIG })
  const plan = () => run(...QEMU_USER, ...IN_A_FILE, emulator, '--dry-run', '-machine', 'pc')
  t.match(await plan(), { status: 0 }, 'as it is installed')
  await run('chmod', '777', '/etc')
  t.match(await plan(), { status: 78, stderr: /^qemu-rt: [^\n]*\/etc/ }, "when /etc is everybody's")
})
