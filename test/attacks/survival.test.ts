import t from 'tap'
import { domainName, domainXml } from '../e2e/domain-xml.js'
import { type Libvirt, NO_CPU_GROUPS, needsLibvirt, startLibvirtd } from '../e2e/libvirtd.js'
import { ONE_CPU } from './help/one-cpu.js'
import { restart } from './help/restart.js'

// H5: what a domain's owner may change at any time, and what may become of the planner, end no VM and keep nothing.

const URI = 'qemu:///system'
const REQUEST = 'urn:qemu-rt:request'
const METADATA = `<r:request xmlns:r="${REQUEST}" profile="rt"/>`

async function started(libvirt: Libvirt): Promise<string> {
  const name = domainName()
  await libvirt.define(domainXml(name, { emulator: libvirt.emulator, metadata: METADATA }))
  await libvirt.ok('start', name)
  return name
}

async function isRunning(libvirt: Libvirt, name: string): Promise<boolean> {
  return (await libvirt.virsh('domstate', name)).stdout.trim() === 'running'
}

/** Whether what a VM held is free again, however it is written down. */
async function nextStarts(libvirt: Libvirt): Promise<boolean> {
  const name = domainName()
  await libvirt.define(domainXml(name, { emulator: libvirt.emulator, metadata: METADATA }))
  const { status } = await libvirt.virsh('start', name)
  await libvirt.virsh('destroy', name)
  return status === 0
}

/** What /run/qemu-rt has of a domain, by its UUID. */
async function records(libvirt: Libvirt, uuid: string): Promise<string> {
  const find = 'cd /run/qemu-rt && { find . -name "*$1*"; grep -rl "$1" .; }'
  return (await libvirt.run('sh', '-c', find, 'sh', uuid)).stdout
}

async function uuidOf(libvirt: Libvirt, name: string): Promise<string> {
  return (await libvirt.ok('domuuid', name)).trim()
}

/** As deep as libvirt takes it: libxml2 has a limit. */
function nested(levels: number): string {
  return `<deep>${'<d>'.repeat(levels)}${'</d>'.repeat(levels)}</deep>`
}

/** `virsh metadata DOMAIN --live …` with which a running VM's owner tries. */
const BAD: Readonly<Record<string, readonly string[]>> = {
  'a request that is not understood': [REQUEST, 'r', '<request><nick/></request>'],
  'a request for a profile that is none': [REQUEST, 'r', '<request profile="tr"/>'],
  '10,000 levels': ['urn:deep', 'd', nested(10_000)],
  '200 levels': ['urn:deep', 'd', nested(200)],
  'an attribute that looks like an emulator': ['urn:odd', 'o', '<odd><emulator>/bin/sh</emulator></odd>'],
}

async function setMetadata(libvirt: Libvirt, name: string, bad: readonly string[]): Promise<boolean> {
  const [uri = '', key = '', xml = ''] = bad
  const args = ['--live', '--uri', uri, '--key', key, '--set', xml]
  return (await libvirt.virsh('metadata', name, ...args)).status === 0
}

t.test('metadata of a VM that runs', async (t) => {
  if (!needsLibvirt(t)) return
  const libvirt = await startLibvirtd(t, { config: ONE_CPU, qemuConf: NO_CPU_GROUPS })
  let taken = 0
  for (const [what, bad] of Object.entries(BAD)) {
    const name = await started(libvirt)
    const uuid = await uuidOf(libvirt, name)
    if (await setMetadata(libvirt, name, bad)) taken++
    await restart(libvirt, name)
    t.ok(await isRunning(libvirt, name), `${what}: the VM survives a restart of libvirtd`)
    await libvirt.virsh('destroy', name)
    t.equal(await records(libvirt, uuid), '', `${what}: nothing of it is left`)
    t.ok(await nextStarts(libvirt), `${what}: another gets what it had`)
  }
  t.ok(taken >= 4, 'libvirt has taken most of them')
})

const LIBRARY = '/usr/local/lib/qemu-rt'

/** What becomes of the program that the hook runs; $1 is its directory. */
const FATES: Readonly<Record<string, string>> = {
  'it kills itself': 'printf "#!/bin/sh\\nkill -9 \\$\\$\\n" >"$1/new"',
  'it hangs': 'printf "#!/bin/sh\\necho \\$\\$ >>/var/tmp/hung\\nexec sleep 1000\\n" >"$1/new"',
  'it is half written': 'head -c 5000000 "$1/qemu-rt-planner" >"$1/new"',
}
const REPLACE = 'chmod 755 "$1/new" && mv "$1/new" "$1/qemu-rt-planner"'
const MEND = 'cp /var/tmp/kept "$1/new" && chmod 755 "$1/new" && mv "$1/new" "$1/qemu-rt-planner"'
/** Whoever waits for one that hangs goes on, and what is run next does not hang. */
const LET_GO = `${MEND}; while read -r pid; do kill "$pid"; done </var/tmp/hung; rm -f /var/tmp/hung`

/** As long as virsh may wait while a hook does not end by itself. */
const SECONDS = 30
const TIMED_OUT = 124

t.test('the planner, when libvirtd restarts and when a VM ends', async (t) => {
  if (!needsLibvirt(t)) return
  const libvirt = await startLibvirtd(t, { config: ONE_CPU, qemuConf: NO_CPU_GROUPS })
  const virsh = (...args: string[]) => libvirt.run('timeout', String(SECONDS), 'virsh', '-c', URI, ...args)
  await libvirt.run('cp', `${LIBRARY}/qemu-rt-planner`, '/var/tmp/kept')
  for (const [fate, command] of Object.entries(FATES)) {
    const name = await started(libvirt)
    t.match(
      await libvirt.run('sh', '-c', `${command} && ${REPLACE}`, 'sh', LIBRARY),
      { status: 0 },
      `${fate}: so it is`,
    )
    await libvirt.restart()
    const asked = await virsh('qemu-monitor-command', name, '{"execute":"query-status"}')
    t.not(asked.status, TIMED_OUT, `${fate}: libvirtd answers`)
    if (asked.status === TIMED_OUT) await libvirt.run('sh', '-c', LET_GO, 'sh', LIBRARY)
    t.ok(await isRunning(libvirt, name), `${fate}: the VM survives`)
    const ended = await virsh('destroy', name)
    t.not(ended.status, TIMED_OUT, `${fate}: and can be ended`)
    if (ended.status === TIMED_OUT) await libvirt.run('sh', '-c', LET_GO, 'sh', LIBRARY)
    await libvirt.run('sh', '-c', MEND, 'sh', LIBRARY)
    t.ok(await nextStarts(libvirt), `${fate}: another gets what it had`)
  }
})

const HOOK = '/etc/libvirt/hooks/qemu.d/qemu-rt'

t.test('the end of a VM, whatever libvirt says of it', async (t) => {
  if (!needsLibvirt(t)) return
  const libvirt = await startLibvirtd(t, { config: ONE_CPU, qemuConf: NO_CPU_GROUPS })
  const texts: Readonly<Record<string, string>> = {
    nothing: ':',
    'no XML': 'echo garbage',
    'half of it': 'printf "%s" "<domain><name>$1</name><emulator>/usr/local/bin/qemu-rt-system-x86_64<"',
    '64 MB': `{ echo '<domain>qemu-rt'; head -c 67108864 /dev/zero | tr '\\0' ' '; }`,
  }
  for (const [what, command] of Object.entries(texts)) {
    const name = await started(libvirt)
    const uuid = await uuidOf(libvirt, name)
    // As libvirt calls it; with a time limit, since libvirt has none.
    const script = `${command} | timeout 30 ${HOOK} "$1" release end -`
    // By libvirt's own the record would go, too.
    await libvirt.run('chmod', '-x', HOOK)
    await libvirt.ok('destroy', name)
    await libvirt.run('chmod', '+x', HOOK)
    const { status } = await libvirt.run('sh', '-c', script, 'sh', name)
    t.equal(status, 0, `${what}: the hook ends well`)
    t.equal(await records(libvirt, uuid), '', `${what}: nothing of it is left`)
    t.ok(await nextStarts(libvirt), `${what}: another gets what it had`)
  }
})

t.test('a refusal that a killed libvirtd has left, and the domain without the wrapper', async (t) => {
  if (!needsLibvirt(t)) return
  const libvirt = await startLibvirtd(t, { config: ONE_CPU, qemuConf: NO_CPU_GROUPS })
  const name = domainName()
  const metadata = `<r:request xmlns:r="${REQUEST}"><r:nic name="none"/></r:request>`
  const refused = domainXml(name, { emulator: libvirt.emulator, metadata })
  await libvirt.define(refused)
  const uuid = await uuidOf(libvirt, name)
  // As libvirt calls it; its own call for the end never comes.
  const prepare = `virsh -c ${URI} dumpxml "$1" | ${HOOK} "$1" prepare begin -`
  t.match(
    await libvirt.run('sh', '-c', prepare, 'sh', name),
    { status: 0 },
    'the hook leaves it to the wrapper',
  )
  t.match(await records(libvirt, uuid), `libvirt-${uuid}.json`)
  const plain = domainXml(name, { emulator: '/usr/bin/qemu-system-x86_64' })
  await libvirt.define(plain.replace('<metadata>', `<uuid>${uuid}</uuid><metadata>`))
  t.match(await libvirt.virsh('start', name), { status: 0 })
  t.ok(await isRunning(libvirt, name))
  await libvirt.virsh('destroy', name)
  t.equal(await records(libvirt, uuid), '', 'nothing of it is left')
})
