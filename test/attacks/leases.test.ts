import t from 'tap'
import { domainName, domainXml } from '../e2e/domain-xml.js'
import { type Installed, install, NO_CPU_GROUPS, needsLibvirt, startLibvirtd } from '../e2e/libvirtd.js'
import type { Ended } from '../launcher/run.js'
import { COMPILER } from './help/compile.js'
import { hostileQemu } from './help/hostile.js'
import { impostor } from './help/impostor.js'
import { GOES_WELL, launch, QEMU_USER } from './help/launch.js'
import { ONE_CPU } from './help/one-cpu.js'
import { forgedPlan } from './help/plans.js'

// M1 and M2: what a user that launches VMs leaves where leases are.

const METADATA = '<r:request xmlns:r="urn:qemu-rt:request" profile="rt"/>'
const LEASES = '/run/qemu-rt/leases'
const TIMED_OUT = 124

/** Far longer than a launch takes, which is a second. */
const SECONDS = 15

/** A shell of libvirt's QEMU user, with its own directory for leases as $own. */
async function asQemuUser({ run }: Installed, script: string): Promise<string> {
  const own = `own=${LEASES}/$(id -u); mkdir -p "$own"; ${script}`
  return (await run(...QEMU_USER, 'sh', '-c', own)).stdout.trim()
}

/** CPU lists that a parser which counts them one by one takes minutes for. */
const LONG_LIST = `${'0-999999,'.repeat(7000)}1`
const LONG_NAME = `${'0-999999,'.repeat(20)}1`

/** Writes leases of a process that lives, and keeps them locked. $1 is a file's text, in which @launcher@ is filled in. */
const LOCKED_LEASES = `
sleep 1000 </dev/null >/dev/null 2>&1 &
start=$(sed 's/.*) //' /proc/$!/stat | cut -d ' ' -f 20)
sed "s/@launcher@/{\\"pid\\":$!,\\"startTicks\\":$start}/" <&3 >"$own/$!-$start-abcdefgh.lease"
for n in $(seq 50); do cp "$own/$!-$start-abcdefgh.lease" "$own/$!-$start-abcdefgh$n@\${LIST}@.lease"; done
for file in "$own"/*; do flock "$file" sleep 1000 </dev/null >/dev/null 2>&1 & done
ls "$own" | wc -l`

t.test('lists of CPUs that are too long', async (t) => {
  if (!needsLibvirt(t, COMPILER)) return
  const installed = await install(t, { config: ONE_CPU })
  const { run } = installed
  const status = () => run('timeout', String(SECONDS), 'qemu-rt', 'status')
  await t.test('in a plan', async (t) => {
    const setting = { cpus: LONG_LIST, policy: 'fifo', priority: 97 }
    const plan = forgedPlan('long', { vcpus: [{ vcpu: 0, ...setting }], emulator: setting, iothreads: [] })
    const looks = await impostor(t, installed, { args: ['-name', 'guest=long'], env: [plan] })
    t.not((await status()).status, TIMED_OUT, 'status ends')
    for (const command of [['--all'], ['--domain', 'long'], ['--pid', looks.pid]]) {
      const { status } = await run('timeout', String(SECONDS), 'qemu-rt', 'tune', ...command)
      t.not(status, TIMED_OUT, `tune ${command[0]} ends`)
    }
    await run('kill', looks.pid)
  })
  await t.test('in a lease', async (t) => {
    const lease = { version: 1, guest: 'long', launcher: 0, daemonizes: true, nics: [], cpus: LONG_LIST }
    const text = JSON.stringify(lease).replace('"launcher":0', '"launcher":@launcher@')
    await run('sh', '-c', 'printf "%s" "$1" >/var/tmp/lease', 'sh', text)
    const made = await asQemuUser(installed, `LIST=${LONG_NAME}; exec 3</var/tmp/lease; ${LOCKED_LEASES}`)
    t.equal(made, '51', 'they are there')
    t.not((await status()).status, TIMED_OUT, 'status ends')
    t.not((await launch(installed, SECONDS)).status, TIMED_OUT, 'a launch by root ends')
    t.not((await launch(installed, SECONDS, QEMU_USER)).status, TIMED_OUT, 'a launch by the user ends')
  })
})

/** Whatever is there, and this user may open. */
const LOCK_ALL = `for path in /run/qemu-rt $(find /run/qemu-rt/* 2>/dev/null); do
  flock "$path" sleep 1000 </dev/null >/dev/null 2>&1 & done; sleep 0.5; grep -c FLOCK /proc/locks`

t.test('a lock that another user keeps holds up no start for minutes', async (t) => {
  if (!needsLibvirt(t)) return
  const libvirt = await startLibvirtd(t, { config: ONE_CPU, qemuConf: NO_CPU_GROUPS })
  t.not(await asQemuUser(libvirt, LOCK_ALL), '0', 'something is locked')
  const check = (what: string, { status, stderr }: Ended) => {
    t.not(status, TIMED_OUT, `${what} ends`)
    if (status !== 0) t.match(stderr, /qemu-rt: [^\n]*lock[^\n]*\n/i, `${what} says why`)
  }
  check('a launch by hand', await launch(libvirt, 100))
  await libvirt.run('sh', '-c', 'kill "$(pidof qemu-system-x86_64)"; sleep 0.5')
  const name = domainName()
  await libvirt.define(domainXml(name, { emulator: libvirt.emulator, metadata: METADATA }))
  check(
    "a domain's start",
    await libvirt.run('timeout', '100', 'virsh', '-c', 'qemu:///system', 'start', name),
  )
})

t.test('what another user plants counts for nothing', async (t) => {
  if (!needsLibvirt(t)) return
  const attacks: Readonly<Record<string, string>> = {
    "a directory in root's name": `mkdir ${LEASES}/0`,
    "a file in root's name": `touch ${LEASES}/0`,
    "a link in root's name": `ln -s /etc ${LEASES}/0`,
    'a lease of PID 1 that nobody has locked': `
      start=$(sed 's/.*) //' /proc/1/stat | cut -d ' ' -f 20)
      lease='"guest":"x","daemonizes":false,"nics":[],"cpus":"1"'
      echo "{\\"version\\":1,$lease,\\"launcher\\":{\\"pid\\":1,\\"startTicks\\":$start}}" >"$own/1-$start-abcdefgh@1@.lease"
      cp "$own/1-$start-abcdefgh@1@.lease" "$own/1-$start-ijklmnop.lease"`,
  }
  for (const [what, script] of Object.entries(attacks)) {
    const installed = await install(t, { config: ONE_CPU })
    await asQemuUser(installed, script)
    const { status, stderr } = await launch(installed, SECONDS)
    t.match({ status, stderr }, { status: 0, stderr: GOES_WELL }, what)
  }
})

t.test("a running VM's CPU is not given twice, whatever its user does to the leases", async (t) => {
  if (!needsLibvirt(t, COMPILER)) return
  const libvirt = await startLibvirtd(t, { config: ONE_CPU, qemuConf: NO_CPU_GROUPS })
  const define = async (env: Readonly<Record<string, string>> = {}) => {
    const name = domainName()
    await libvirt.define(domainXml(name, { emulator: libvirt.emulator, metadata: METADATA, env }))
    return name
  }
  const refused = async (when: string) => {
    const name = await define()
    t.equal((await libvirt.virsh('start', name)).status, 1, when)
    await libvirt.virsh('destroy', name)
    const byHand = await launch(libvirt, SECONDS)
    t.not(byHand.status, 0, `${when}, by hand neither`)
  }
  const hostile = hostileQemu(t)
  await libvirt.ok('start', await define(hostile.env))
  await refused('the CPU is held')
  const { stdout } = await libvirt.run('find', '/run/qemu-rt', '-depth', '-mindepth', '1')
  const paths = stdout.trim().split('\n')
  t.not(paths.length, 0, 'there is something to remove')
  // From inside QEMU's sandbox, which is where a guest that has broken out is.
  for (const path of paths) await hostile.obey(`rename ${path} ${path}.away`)
  await refused('what could be renamed was')
  for (const path of paths) await hostile.obey(`unlink ${path}.away`)
  for (const path of paths) await hostile.obey(`unlink ${path}`)
  await refused('what could be removed was')
  await asQemuUser(libvirt, 'rm -rf /run/qemu-rt/leases/* /run/qemu-rt/*')
  await refused('and with a shell')
})
