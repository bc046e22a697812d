import { spawn } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { readThreads } from '../../src/tune/threads.js'
import { formatCpuSet } from '../../src/units/cpu-set.js'
import { launcher, launcherForAll, PATH, temporaryDirectory } from '../launcher/launcher.js'
import { qemuRt, runSync } from '../launcher/run.js'
import { hasEnded, QEMU, stopChild } from './launch.js'
import { needs, unmet } from './needs.js'
import { connectQmp } from './qmp.js'
import { waitFor } from './wait.js'

/* QEMU as other programs than libvirt run it: docs/callers.md. Of each caller only its ways are here, not the caller. */

const CONFIG = `
[emulators]
kvm = "${QEMU}"

[host]
housekeeping = "0"
realtime = "1"

[profile.rt]
vcpus = { cpus = "auto", policy = "fifo", priority = 1 }
emulator = { cpus = "0" }

[[domain]]
name = "plc-*"
profile = "rt"
`

/** A directory with the launcher as `kvm`, and what a caller needs besides. */
function asKvm(t: Test) {
  const directory = temporaryDirectory(t)
  const config = join(directory, 'qemu-rt.toml')
  writeFileSync(config, CONFIG)
  const kvm = join(directory, 'kvm')
  symlinkSync(launcher('qemu-rt'), kvm)
  return { directory, kvm, env: { PATH, QEMU_RT_CONFIG: config } }
}

const QUIET = ['-nodefaults', '-display', 'none', '-accel', 'tcg', '-m', '32']

const threadsOf = (pid: number) =>
  (readThreads(pid) ?? [])
    .filter(({ name }) => name.startsWith('CPU '))
    .map(({ name, cpus, policy, priority }) => `${name} ${formatCpuSet(cpus)} ${policy} ${priority}`)

function isRootWithTwoCpus(t: Test): boolean {
  if (cpus().length < 2) return unmet(t, 'this machine has one CPU')
  return process.getuid?.() === 0 ? true : unmet(t, 'this needs root')
}

t.test('Proxmox VE asks for version and help, and gets what QEMU says', async (t) => {
  if (!needs(t, [QEMU])) return
  const { kvm, env } = asKvm(t)
  for (const argument of ['--version', '-version', '-help']) {
    const [ours, theirs] = [kvm, QEMU].map((program) => runSync([program, argument], { env }))
    t.equal(ours?.status, 0)
    // Help names the program by which it was called.
    t.ok(ours?.stdout.length, argument)
    t.strictSame(ours?.stdout, theirs?.stdout, argument)
    t.strictSame(ours?.stderr, theirs?.stderr)
  }
})

t.test(
  'Proxmox VE starts it with affinity and as a daemon, and finds it by its file of the PID',
  async (t) => {
    if (!needs(t, [QEMU, 'taskset']) || !isRootWithTwoCpus(t)) return
    const { directory, kvm, env } = asKvm(t)
    const pidFile = join(directory, 'plc-4.pid')
    const start = (name: string, ...args: string[]) =>
      runSync(
        [
          ...['taskset', '--cpu-list', '--all-tasks', '0', kvm, '-name', `${name},debug-threads=on`],
          ...['-pidfile', join(directory, `${name}.pid`), '-daemonize'],
          ...['-smp', '1,sockets=1,cores=1,maxcpus=1', ...QUIET, ...args],
        ],
        { env },
      )
    const started = start('plc-4', '-qmp', `unix:${join(directory, '104.qmp')},server=on,wait=off`)
    t.equal(started.status, 0, started.stderr)
    const pid = Number(readFileSync(pidFile, 'utf8'))
    t.teardown(() => process.kill(pid, 'SIGKILL'))
    // It counts as running where its first argument ends so, and its -pidfile is that of the VM.
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    t.match(words[0], /(^|\/)qemu-system-[^/]+$|kvm$/)
    t.equal(words[words.indexOf('-pidfile') + 1], pidFile)
    await waitFor('the vCPU to be placed', 30, () => threadsOf(pid).join() === 'CPU 0/TCG 1 fifo 1')
    const qmp = await connectQmp(join(directory, '104.qmp'))
    t.match(await qmp.execute('query-status'), { running: true })
    qmp.close()
    const refused = start('plain', '-device', 'no-such-device')
    t.equal(refused.status, 1, "QEMU's own exit code")
    t.match(refused.stderr, /no-such-device/)
  },
)

t.test('a diversion of /usr/bin/kvm, and back', { timeout: 120_000 }, async (t) => {
  if (process.getuid?.() !== 0) return unmet(t, 'only root can divert a file')
  if (!needs(t, [QEMU, 'dpkg-divert', 'unshare'])) return
  const script = fileURLToPath(new URL('divert.sh', import.meta.url))
  const { status, stdout, stderr } = runSync([script])
  t.equal(status, 0, stdout + stderr)
  t.equal(stdout.match(/^ok: /gm)?.length, 3, stdout)
  return undefined
})

/** Listens on a socket, and becomes the command that has it as descriptor 3. */
const WITH_SOCKET = `
import os, socket, sys
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[1])
listening.listen()
os.dup2(listening.fileno(), 3)
os.set_inheritable(3, True)
os.execvp(sys.argv[2], sys.argv[2:])
`

t.test('Kata Containers passes the socket of the monitor, and plugs vCPUs later', async (t) => {
  if (!needs(t, [QEMU, 'python3']) || !isRootWithTwoCpus(t)) return
  const { directory, env } = asKvm(t)
  writeFileSync(env.QEMU_RT_CONFIG, CONFIG.replace('priority = 1 }', 'priority = 1, hotplug = "later" }'))
  const path = join(directory, 'qmp.sock')
  const child = spawn(
    'python3',
    [
      ...['-c', WITH_SOCKET, path, launcher()],
      ...['-name', 'plc-pod,debug-threads=on', '-machine', 'q35', '-qmp', 'unix:fd=3,server=on,wait=off'],
      ...['-smp', '1,cores=1,threads=1,sockets=2,maxcpus=2', ...QUIET],
    ],
    { env: { ...env, QEMU_RT_EMULATOR: QEMU }, stdio: ['ignore', 'ignore', 'inherit'] },
  )
  t.teardown(() => stopChild(child))
  const pid = child.pid ?? 0
  await waitFor('the vCPU to be placed', 30, () => threadsOf(pid).join() === 'CPU 0/TCG 1 fifo 1')
  const qmp = await connectQmp(path)
  const plugs = (await qmp.execute('query-hotpluggable-cpus')) as {
    readonly type: string
    readonly 'qom-path'?: string
    readonly props: Readonly<Record<string, unknown>>
  }[]
  const free = plugs.find((one) => one['qom-path'] === undefined)
  t.ok(free)
  await qmp.execute('device_add', { driver: free?.type, id: 'cpu-1', ...free?.props })
  t.equal(threadsOf(pid).length, 2)
  qmp.close()
  const tuned = qemuRt(['tune', '--pid', String(pid), '--set', 'vcpu:1=0:batch'])
  t.equal(tuned.status, 0, tuned.stderr)
  t.strictSame(threadsOf(pid), ['CPU 0/TCG 1 fifo 1', 'CPU 1/TCG 0 batch 0'])
})

t.test("Incus has the VM in a file, and adds a person's options", async (t) => {
  if (!needs(t, [QEMU])) return
  const { directory, env } = asKvm(t)
  const file = join(directory, 'qemu.conf')
  const monitor = join(directory, 'qemu.monitor')
  writeFileSync(
    file,
    `[machine]
type = "q35"
accel = "tcg"

[memory]
size = "64M"

[object "mem0"]
qom-type = "memory-backend-memfd"
size = "64M"
share = "on"

[numa]
type = "node"
nodeid = "0"
memdev = "mem0"

[chardev "monitor"]
backend = "socket"
path = "${monitor}"
server = "on"
wait = "off"

[chardev "console"]
backend = "ringbuf"
size = "1048576"
`,
  )
  const pidFile = join(directory, 'qemu.pid')
  const { status, stderr } = runSync(
    [
      ...[launcher(), '-S', '-name', 'plain', '-daemonize', '-nographic', '-serial', 'chardev:console'],
      ...['-qmp', 'chardev:monitor', '-nodefaults', '-no-user-config', '-readconfig', file],
      ...['-pidfile', pidFile, '-D', join(directory, 'qemu.log')],
    ],
    { env: { ...env, QEMU_RT_EMULATOR: QEMU } },
  )
  t.match({ status, stderr }, { status: 0, stderr: '' })
  const pid = Number(readFileSync(pidFile, 'utf8'))
  t.teardown(() => process.kill(pid, 'SIGKILL'))
  t.match(threadsOf(pid), [/^CPU 0\/TCG /], 'threads have names')
  const qmp = await connectQmp(monitor)
  t.match(await qmp.execute('query-status'), { running: false })
  qmp.close()
})

/** A pod's namespaces, and a /run of its own, in which `sh` prepares what the pod's image has. */
const pod = (prepare = ':') => [
  ...['--pid', '--mount', '--fork', '--kill-child', '--mount-proc', 'sh', '-ec'],
  ...[`mount -t tmpfs -o mode=755 tmpfs /run; ${prepare}; exec "$@"`, 'sh'],
]

/** Starts a VM as KubeVirt names it in a pod. @returns its PID on the host, and what it has said */
async function startInPod(t: Test, command: readonly string[], env: NodeJS.ProcessEnv = { PATH }) {
  const child = spawn('unshare', [...command, ...QUIET], { stdio: ['ignore', 'ignore', 'pipe'], env })
  let said = ''
  child.stderr.on('data', (chunk) => (said += chunk))
  const children = `/proc/${child.pid}/task/${child.pid}/children`
  const pid = await waitFor('the first process of the pod', 30, () => {
    if (hasEnded(child)) throw new Error(`the pod ended (${child.exitCode}): ${said}`)
    return Number(readFileSync(children, 'latin1')) || null
  })
  // Its end is the end of the pod. unshare's own is not, where the first process has become another user (PR_SET_PDEATHSIG).
  t.teardown(() => hasEnded(child) || process.kill(pid, 'SIGKILL'))
  return { pid, said: () => said }
}

/** A configuration that everybody can read, for names as KubeVirt makes them: namespace_name. */
function podConfig(t: Test): string {
  const { directory, env } = asKvm(t)
  chmodSync(directory, 0o755)
  writeFileSync(env.QEMU_RT_CONFIG, CONFIG.replace('plc-*', 'default_plc-*'))
  return env.QEMU_RT_CONFIG
}

t.test('KubeVirt: a QEMU in another PID namespace is tuned and shown from the host', async (t) => {
  if (!needs(t, [QEMU, 'unshare']) || !isRootWithTwoCpus(t)) return
  const started = join(temporaryDirectory(t), 'pid')
  const name = ['-name', 'guest=default_plc-9,debug-threads=on', '-S', '-pidfile', started]
  const { pid } = await startInPod(t, [...pod(), QEMU, ...name])
  await waitFor('QEMU', 30, () => existsSync(started))
  t.equal(readFileSync(started, 'utf8').trim(), '1', 'its own number is another')
  const tuned = qemuRt(['tune', '--pid', String(pid), '--set', 'vcpu:*=1:fifo:1', '--set', 'emulator=0'])
  t.equal(tuned.status, 0, tuned.stderr)
  t.strictSame(threadsOf(pid), ['CPU 0/TCG 1 fifo 1'])
  const shown = qemuRt(['status'])
  t.match(shown.stdout, new RegExp(`default_plc-9  PID ${pid}  no record`))
  t.match(shown.stdout, /vCPU 0 +\d+ +1 +fifo 1/)
})

t.test('KubeVirt: wrappers in images of pods do not see what other pods have', async (t) => {
  if (!needs(t, [QEMU, 'unshare']) || !isRootWithTwoCpus(t)) return
  const env = { PATH, QEMU_RT_CONFIG: podConfig(t), QEMU_RT_EMULATOR: QEMU }
  const first = await startInPod(t, [...pod(), launcher(), '-name', 'guest=default_plc-1'], env)
  const second = await startInPod(t, [...pod(), launcher(), '-name', 'guest=default_plc-2'], env)
  for (const { pid } of [first, second]) {
    await waitFor('the vCPU to be placed', 30, () => threadsOf(pid).join() === 'CPU 0/TCG 1 fifo 1')
  }
  t.match(qemuRt(['status']).stdout, new RegExp(`default_plc-1  PID ${first.pid}  no record`))
})

t.test('KubeVirt: a user of a pod needs a directory for leases, and root for a policy', async (t) => {
  if (!needs(t, [QEMU, 'unshare', 'setpriv']) || !isRootWithTwoCpus(t)) return
  const env = { PATH, QEMU_RT_CONFIG: podConfig(t), QEMU_RT_EMULATOR: QEMU }
  const user = ['setpriv', '--reuid=107', '--regid=107', '--clear-groups', '--bounding-set=-all']
  const vm = [...user, '--inh-caps=-all', launcherForAll(t), '-name', 'guest=default_plc-3']
  t.match(runSync(['unshare', ...pod(), ...vm, ...QUIET], { env }), {
    status: 77,
    stderr: /^qemu-rt: there is no directory for leases, [^\n]+\n$/,
  })
  const directories = 'install -d /run/qemu-rt/vms; install -d -g 107 -m 3770 /run/qemu-rt/leases'
  const { pid, said } = await startInPod(t, [...pod(directories), ...vm], env)
  await waitFor('the tuner', 60, () => /vCPU 0 cannot have fifo 1: .*; the VM runs on without/.test(said()))
  t.strictSame(threadsOf(pid), ['CPU 0/TCG 1 other 0'])
  const tuned = qemuRt(['tune', '--pid', String(pid), '--set', 'vcpu:0=1:fifo:1'])
  t.equal(tuned.status, 0, tuned.stderr)
  t.strictSame(threadsOf(pid), ['CPU 0/TCG 1 fifo 1'])
})
