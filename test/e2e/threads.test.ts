import { spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { cpus } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { readProc } from '../../src/host/proc.js'
import { hasKvm } from '../../src/jitter/accelerator.js'
import { readThreads, type Thread } from '../../src/tune/threads.js'
import { formatCpuSet } from '../../src/units/cpu-set.js'
import { writeFiles } from '../host/made-host.js'
import {
  launcher,
  launcherForAll,
  PATH,
  plannerForms,
  processesWith,
  temporaryDirectory,
} from '../launcher/launcher.js'
import { QEMU, stopChild } from './launch.js'
import { needs } from './needs.js'
import { waitFor } from './wait.js'

const CONFIG = `
[host]
housekeeping = "0"
realtime = "1"

[profile.rt]
vcpus = { cpus = "auto", policy = "fifo", priority = 3 }
iothreads = { disk = { cpus = "0", policy = "batch" } }
workers = { cpus = "0", policy = "idle" }

[profile.strict]
vcpus = { cpus = "auto", policy = "fifo" }
strict = true

[profile.mixed]
vcpus = { cpus = { 0 = "1", 1 = "0" } }
emulator = { cpus = "0" }
`

const NOBODY = 65534

interface Vm {
  readonly pid: number
  readonly exitCode: () => number | null
  readonly output: () => string
  /** The tuner's one line. */
  readonly line: () => Promise<string>
  readonly threads: () => string[]
  readonly stop: () => Promise<void>
}

interface Start {
  readonly args?: readonly string[]
  readonly profile?: string
  readonly user?: number
  readonly files?: readonly number[]
  /** Programs that become their command. */
  readonly prefix?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** What QEMU's stderr is: a file that is appended to, one with a place to write at, or a socket, as a pipe of Node's. */
  readonly stderr?: 'file' | 'file with a place' | 'socket'
  readonly accel?: string
}

/** For a guest that is started paused, as libvirt does: arguments, and what has it run. */
function paused(t: Test): { readonly args: readonly string[]; readonly letGo: () => void } {
  const monitor = join(temporaryDirectory(t), 'monitor')
  return {
    args: ['-S', '-monitor', `unix:${monitor},server=on,wait=off`],
    letGo: () => {
      const client = connect(monitor, () => client.end('cont\n'))
    },
  }
}

/** Starts a real QEMU through the launcher, with leases of its own. */
function start(
  t: Test,
  {
    args = [],
    profile = 'rt',
    user = 0,
    files = [],
    env = {},
    prefix = [],
    stderr = 'file',
    accel = 'tcg',
  }: Start,
): Vm {
  const site = temporaryDirectory(t)
  // Only CPUs: whatever else a plan reads there is not there.
  writeFiles(site, {
    '/sys/devices/system/cpu/present': '0-1\n',
    '/sys/devices/system/cpu/online': '0-1\n',
  })
  chownSync(site, user, user)
  // libvirt's user must not be able to change it.
  const config = join(temporaryDirectory(t), 'qemu-rt.toml')
  writeFileSync(config, CONFIG)
  chmodSync(dirname(config), 0o755)
  const options = [
    '-nodefaults',
    '-display',
    'none',
    '-accel',
    accel,
    '-cpu',
    'pentium',
    '-m',
    '32',
    '-name',
    'guest=vm',
  ]
  const command = user === 0 ? [] : ['setpriv', '--reuid', `${user}`, '--regid', `${user}`, '--clear-groups']
  const log = openSync(`${site}/log`, stderr === 'file' ? 'a' : 'w')
  chownSync(`${site}/log`, user, user)
  const [program = '', ...rest] = [
    ...prefix,
    ...command,
    user === 0 ? launcher() : launcherForAll(t),
    '--rt-profile',
    profile,
    ...options,
    ...args,
  ]
  const child = spawn(program, rest, {
    env: { PATH, QEMU_RT_EMULATOR: QEMU, QEMU_RT_CONFIG: config, QEMU_RT_SYSROOT: site, ...env },
    stdio: ['ignore', log, stderr === 'socket' ? 'pipe' : log, ...files],
  })
  let fromSocket = ''
  child.stderr?.on('data', (chunk) => (fromSocket += chunk))
  const output = () => (stderr === 'socket' ? fromSocket : readFileSync(`${site}/log`, 'utf8'))
  t.teardown(() => stopChild(child))
  return {
    pid: child.pid ?? 0,
    exitCode: () => child.exitCode,
    output,
    line: () =>
      waitFor("the tuner's line", 60, () => /^qemu-rt: .*\n/m.exec(output())?.[0].trimEnd() ?? null),
    stop: () => stopChild(child),
    threads: () => (readThreads(child.pid ?? 0) ?? []).map(describe),
  }
}

function describe({ name, cpus, policy, priority }: Thread): string {
  return `${name} ${formatCpuSet(cpus)} ${policy} ${priority}`
}

/** The tuner of a launch; other tests may have theirs. */
const tuners = ({ pid }: Vm) =>
  processesWith('QEMU_RT_TUNE=').filter((tuner) => {
    const command = readProc(`/proc/${tuner}/cmdline`)
    return command?.endsWith(`\0tuner\0${pid}\0`) === true
  })

/** Two CPUs, and root: a real-time policy for any thread. */
function canPlace(t: Test): boolean {
  const message =
    cpus().length < 2 ? 'this machine has one CPU' : process.getuid?.() === 0 ? null : 'this needs root'
  if (message === null) return needs(t, [QEMU, 'taskset', 'chrt', 'flock', 'setpriv'])
  t.pass(message, { skip: message })
  return false
}

for (const accel of ['tcg', ...(hasKvm() ? ['kvm'] : [])]) {
  t.test(`${accel}: each thread has its CPUs and its policy, and the tuner ends with one line`, async (t) => {
    if (!canPlace(t)) return
    const disk = join(temporaryDirectory(t), 'disk.img')
    writeFileSync(disk, Buffer.alloc(1 << 20))
    // The firmware reads the disk to see whether it can be booted, by worker threads.
    const vm = start(t, {
      accel,
      args: [
        ...['-object', 'iothread,id=disk', '-object', 'iothread,id=other'],
        ...[
          '-drive',
          `if=none,id=d,format=raw,file=${disk},aio=threads`,
          '-device',
          'virtio-blk-pci,drive=d',
        ],
      ],
    })
    const line = await vm.line()
    t.match(
      line,
      /^qemu-rt: guest 'vm': .*I\/O thread disk on CPU 0 batch.*vCPU 0 on CPU 1 fifo 3.*; set after \d+ ms$/,
    )
    const threads = vm.threads()
    t.ok(threads.includes(`CPU 0/${accel.toUpperCase()} 1 fifo 3`))
    t.ok(threads.includes('IO disk 0 batch 0'))
    t.ok(threads.includes('IO other 0 other 0'), 'as emulator threads are')
    t.equal(threads[0], 'qemu-system-x86 0 other 0')
    const workers = threads.filter((thread) => thread.startsWith('worker'))
    for (const worker of workers) t.equal(worker, 'worker 0 idle 0')
    t.comment(`${workers.length} worker threads`)
    await waitFor('the tuner to end', 10, () => tuners(vm).length === 0)
    t.equal(vm.output().trimEnd(), line, 'nothing else is printed')
  })
}

t.test(
  'vCPUs by number, best effort; what somebody else sets while the guest is paused is set again',
  async (t) => {
    if (!canPlace(t)) return
    const { args, letGo } = paused(t)
    const vm = start(t, { profile: 'mixed', args: ['-smp', '2', ...args] })
    const isSo = () => {
      const threads = vm.threads()
      return threads.includes('CPU 0/TCG 1 other 0') && threads.includes('CPU 1/TCG 0 other 0')
    }
    await waitFor('both vCPUs to be placed', 30, isSo)
    // What libvirt does to every vCPU thread before it lets the guest run.
    const vcpu = readThreads(vm.pid)?.find(({ name }) => name === 'CPU 0/TCG')
    const taskset = spawn('taskset', ['--pid', '--cpu-list', '0-1', String(vcpu?.tid)], { stdio: 'ignore' })
    await new Promise((resolve) => taskset.once('exit', resolve))
    await waitFor('vCPU 0 to be placed again', 10, isSo)
    await sleep(4000)
    letGo()
    const began = Date.now()
    await vm.line()
    t.ok(Date.now() - began > 2500, 'and for as long as its firmware may make workers')
    t.ok(isSo())
  },
)

t.test('the tuner follows -daemonize', async (t) => {
  if (!canPlace(t)) return
  const pidfile = join(temporaryDirectory(t), 'pid')
  const vm = start(t, { args: ['-daemonize', '-pidfile', pidfile] })
  await waitFor('the parent to end', 30, () => vm.exitCode() === 0)
  const pid = Number(readFileSync(pidfile, 'utf8'))
  t.teardown(() => process.kill(pid, 'SIGKILL'))
  await waitFor('the vCPU to be placed', 30, () =>
    (readThreads(pid) ?? []).map(describe).includes('CPU 0/TCG 1 fifo 3'),
  )
  t.ok(processesWith('QEMU_RT_PLAN=').includes(pid))
})

for (const form of plannerForms()) {
  t.test(
    `${form.name}: the tuner waits as long as a vhost-user server socket holds QEMU up, and holds none of its descriptors`,
    async (t) => {
      if (!canPlace(t)) return
      const directory = temporaryDirectory(t)
      const socket = join(directory, 'server')
      const secret = join(directory, 'inherited')
      // Descriptors 3 to 20: past those that Node marks by itself.
      const files = Array.from({ length: 18 }, () => openSync(secret, 'w'))
      const vm = start(t, {
        env: form.env,
        files,
        args: ['-chardev', `socket,id=c0,path=${socket},server=on`],
      })
      const [tuner = 0] = await waitFor('the tuner', 30, () => {
        const running = tuners(vm)
        return running.length > 0 && readdirSync(directory).includes('server') ? running : null
      })
      const targets = readdirSync(`/proc/${tuner}/fd`).flatMap((fd) => {
        try {
          return readlinkSync(`/proc/${tuner}/fd/${fd}`)
        } catch {
          return []
        }
      })
      const qemus = new Set(['0', '1', '2', '20'].map((fd) => readlinkSync(`/proc/${vm.pid}/fd/${fd}`)))
      qemus.delete('/dev/null')
      t.strictSame(
        targets.filter((target) => qemus.has(target)),
        [],
      )
      t.ok(qemus.has(secret), 'QEMU has it')
      await sleep(1000)
      t.strictSame(tuners(vm), [tuner])
      t.notOk(vm.threads().some((thread) => thread.startsWith('CPU 0')))
      const client = connect(socket)
      t.teardown(() => client.destroy())
      await vm.line()
      t.ok(vm.threads().includes('CPU 0/TCG 1 fifo 3'))
    },
  )
}

t.test('a QEMU that dies while it is tuned takes the tuner with it', async (t) => {
  if (!canPlace(t)) return
  const socket = join(temporaryDirectory(t), 'server')
  const vm = start(t, { args: ['-chardev', `socket,id=c0,path=${socket},server=on`] })
  await waitFor('the tuner', 30, () => tuners(vm).length > 0)
  process.kill(vm.pid, 'SIGKILL')
  await waitFor('the tuner to end', 10, () => tuners(vm).length === 0)
  t.notMatch(vm.output(), 'qemu-rt:')
})

t.test('without RLIMIT_RTPRIO a user gets the CPUs, and is told why not the policy', async (t) => {
  if (!canPlace(t)) return
  const vm = start(t, { user: NOBODY })
  t.equal(
    await vm.line(),
    "qemu-rt: warning: guest 'vm': vCPU 0 cannot have fifo 3: RLIMIT_RTPRIO of QEMU is 0 and CAP_SYS_NICE is missing; set LimitRTPRIO=99 for libvirtd or virtqemud (by hand: ulimit -r 3), or run as root: qemu-rt tune; the VM runs on without",
  )
  t.ok(vm.threads().includes('CPU 0/TCG 1 other 0'))
  t.equal(vm.exitCode(), null)
})

t.test('strict stops the VM', async (t) => {
  if (!canPlace(t)) return
  const vm = start(t, { user: NOBODY, profile: 'strict' })
  t.match(
    await vm.line(),
    /^qemu-rt: error: guest 'vm': vCPU 0 cannot have fifo 1: .*; the VM is stopped \(strict\)$/,
  )
  await waitFor('QEMU to end', 20, () => vm.exitCode() !== null)
  await waitFor('the tuner to end', 10, () => tuners(vm).length === 0)
})

/** A group that gives real-time threads no time, as one is made; null where groups do not share that time out. */
function groupWithoutTime(t: Test): string | null {
  const cgroup = '/sys/fs/cgroup/cpu'
  if (!existsSync(`${cgroup}/cpu.rt_runtime_us`)) {
    t.pass('groups', { skip: 'this kernel has no RT_GROUP_SCHED, or cgroup v1 has not the cpu controller' })
    return null
  }
  const group = `${cgroup}/qemu-rt-test-${process.pid}`
  mkdirSync(group)
  t.teardown(() => rmdirSync(group))
  return group
}

t.test('a cgroup without real-time time is named, and what to do', async (t) => {
  const group = canPlace(t) ? groupWithoutTime(t) : null
  if (group === null) return
  const vm = start(t, { prefix: ['sh', '-c', `echo $$ >${group}/cgroup.procs; exec "$@"`, 'sh'] })
  t.equal(
    await vm.line(),
    `qemu-rt: warning: guest 'vm': vCPU 0 cannot have fifo 3: its cgroup has no real-time time (${group}/cpu.rt_runtime_us is 0, RT_GROUP_SCHED); leave "cpu" out of cgroup_controllers in /etc/libvirt/qemu.conf, or write microseconds to that file and those above it; the VM runs on without`,
  )
  await vm.stop()
})

t.test(
  'a paused guest’s vCPUs become real-time when libvirt has moved them, where it could not move them then',
  async (t) => {
    const group = canPlace(t) ? groupWithoutTime(t) : null
    if (group === null) return
    const { args, letGo } = paused(t)
    const vm = start(t, { args })
    const vcpu = await waitFor('the vCPU to have its CPU', 30, () => {
      const thread = readThreads(vm.pid)?.find(({ name }) => name === 'CPU 0/TCG')
      return thread !== undefined && formatCpuSet(thread.cpus) === '1' ? thread : null
    })
    await sleep(500)
    t.ok(vm.threads().includes('CPU 0/TCG 1 other 0'), 'not yet')
    // With the policy this fails with EINVAL, and libvirt's start with it.
    writeFileSync(`${group}/tasks`, String(vcpu.tid))
    letGo()
    t.match(
      await vm.line(),
      /vCPU 0 cannot have fifo 3: its cgroup has no real-time time/,
      'it was tried after the move',
    )
    await vm.stop()
  },
)

t.test(
  "in a file that has a place to write at, QEMU's later words do not stand where the line does",
  async (t) => {
    if (!canPlace(t)) return
    const vm = start(t, { stderr: 'file with a place' })
    const line = await vm.line()
    process.kill(vm.pid, 'SIGTERM')
    await waitFor("QEMU's word", 30, () => vm.output().includes('terminating on signal 15'))
    t.match(vm.output().split('\n'), [line, /^qemu-system-x86_64: terminating on signal 15/])
  },
)

t.test(
  'stderr that cannot be opened by its name, as libvirt’s or a socket, gets the line, too',
  async (t) => {
    if (!canPlace(t)) return
    const vm = start(t, { stderr: 'socket' })
    t.match(await vm.line(), /^qemu-rt: guest 'vm': .*vCPU 0 on CPU 1 fifo 3; set after \d+ ms$/)
    await waitFor('the tuner to end', 10, () => tuners(vm).length === 0)
  },
)
