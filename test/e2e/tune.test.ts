import { spawn } from 'node:child_process'
import { chmodSync, readdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { processId } from '../../src/record/process-id.js'
import { readRootsRecords, removeRootsRecord, writeRootsRecord } from '../../src/record/root/records.js'
import { formatVm, NEW_VM, type VmRecord } from '../../src/record/vm.js'
import { readThreads } from '../../src/tune/threads.js'
import { formatCpuSet } from '../../src/units/cpu-set.js'
import { launcher, launcherForAll, PATH, temporaryDirectory } from '../launcher/launcher.js'
import { runSync } from '../launcher/run.js'
import { QEMU, startQemu, stopChild } from './launch.js'
import { needs } from './needs.js'
import { waitFor } from './wait.js'

const NOBODY = '65534'

const tune = (args: readonly string[], prefix: readonly string[] = [], command = launcher('qemu-rt')) =>
  runSync([...prefix, command, 'tune', ...args])

/** A QEMU that the wrapper did not start, paused, on CPU 0; its PID. */
async function start(
  t: Test,
  name: string,
  { env = {}, prefix = [] as readonly string[], vcpus = 2 } = {},
): Promise<number> {
  const [program = '', ...rest] = [
    ...prefix,
    ...[
      'taskset',
      '-c',
      '0',
      QEMU,
      '-name',
      `guest=${name},debug-threads=on`,
      '-S',
      '-accel',
      'tcg',
      '-m',
      '32',
    ],
    ...['-smp', String(vcpus), '-object', 'iothread,id=disk', '-nodefaults', '-display', 'none'],
  ]
  const child = spawn(program, rest, { stdio: 'ignore', env: { PATH, ...env } })
  t.teardown(() => stopChild(child))
  await waitFor(
    'the vCPUs',
    30,
    () => readThreads(child.pid ?? 0)?.some(({ name }) => name === `CPU ${vcpus - 1}/TCG`) ?? false,
  )
  return child.pid ?? 0
}

const threads = (pid: number) =>
  (readThreads(pid) ?? []).map(
    ({ name, cpus, policy, priority }) => `${name} ${formatCpuSet(cpus)} ${policy} ${priority}`,
  )

function canTune(t: Test): boolean {
  const problem =
    cpus().length < 2 ? 'this machine has one CPU' : process.getuid?.() === 0 ? null : 'this needs root'
  if (problem === null) return needs(t, [QEMU, 'taskset', 'chrt', 'setpriv'])
  t.pass(problem, { skip: problem })
  return false
}

const WITHOUT_TIDS = (text: string) => text.replace(/\b\d{2,}\b/g, 'N')

t.test('threads of a QEMU that was started without the wrapper, by selectors', async (t) => {
  if (!canTune(t)) return
  const pid = await start(t, 'tune-a')
  const sets = [
    '--set',
    'vcpu:*=1',
    '--set',
    'vcpu:1=0-1:batch',
    '--set',
    'iothread:disk=0:fifo:2',
    '--set',
    'emulator=0',
  ]
  const dry = tune(['--pid', String(pid), ...sets, '--dry-run'])
  t.equal(
    WITHOUT_TIDS(dry.stdout),
    `# guest 'tune-a' (PID N)
chrt --reset-on-fork --fifo --pid 2 N  # I/O thread disk
taskset --pid --cpu-list 1 N  # vCPU 0
taskset --pid --cpu-list 0-1 N  # vCPU 1
chrt${process.geteuid?.() === 0 ? '' : ' --reset-on-fork'} --batch --pid 0 N  # vCPU 1
`,
  )
  t.ok(
    threads(pid).every((thread) => thread.endsWith(' 0 other 0')),
    'a dry run sets nothing',
  )
  t.match(tune(['--domain', 'tune-a', ...sets]), {
    status: 69,
    stderr: /no VM 'tune-a' is running that root or libvirt has a record of/,
  })
  const set = tune(['--pid', String(pid), ...sets])
  t.equal(set.status, 0, set.stderr)
  t.equal(
    WITHOUT_TIDS(set.stdout),
    `guest 'tune-a' (PID N)
THREAD           TID    CPUS  POLICY
emulator         N  0     -       was so
emulator         N  0     -       was so
I/O thread disk  N  0     fifo 2  set
vCPU 0           N  1     -       set
vCPU 1           N  0-1   batch   set
`.replace('TID  ', `TID${' '.repeat(String(pid).length - 3)}`),
  )
  t.strictSame(
    threads(pid).filter((thread) => /^(CPU|IO)/.test(thread)),
    ['IO disk 0 fifo 2', 'CPU 0/TCG 1 other 0', 'CPU 1/TCG 0-1 batch 0'],
  )
})

t.test("by root's record of its plan, one or all; and what is as planned stays", async (t) => {
  if (!canTune(t)) return
  const setting = { policy: null, priority: null }
  const plan: VmRecord = {
    ...NEW_VM,
    id: `tune-test-${process.pid}`,
    guest: { name: 'tune-b', uuid: null },
    profile: 'rt',
    strict: false,
    nics: [],
    lease: null,
    threads: {
      vcpus: [
        { vcpu: 0, cpus: [1], policy: 'fifo', priority: 1 },
        { vcpu: 1, cpus: [0, 1], ...setting },
      ],
      emulator: { cpus: [0], ...setting },
      iothreads: [],
      workers: null,
      vhost: null,
    },
    vcpusAtStart: 2,
    startsPaused: true,
    daemonizes: false,
  }
  // What is in QEMU's environment is its own word: root passes it over.
  const pid = await start(t, 'tune-b', { env: { QEMU_RT_PLAN: formatVm(plan) } })
  t.notMatch(tune(['--all']).stdout, `PID ${pid}`)
  t.match(tune(['--pid', String(pid)]), { status: 69, stderr: /there is no record of a plan/ })
  t.teardown(() => removeRootsRecord('/', plan))
  writeRootsRecord('/', { ...plan, threads: null, process: processId(pid) })
  // Other VMs with a plan may run here; if none does, that is said.
  t.match(tune(['--all']), {
    status: 0,
    stdout: /^no running VM has a plan for its threads$|\(PID \d+\)/m,
  })
  writeRootsRecord('/', { ...plan, process: processId(pid) })
  const all = tune(['--all'])
  t.match(all.stdout, `guest 'tune-b' (PID ${pid})`)
  t.strictSame(
    threads(pid).filter((thread) => thread.startsWith('CPU')),
    ['CPU 0/TCG 1 fifo 1', 'CPU 1/TCG 0-1 other 0'],
  )
  const again = tune(['--pid', String(pid)])
  t.equal(again.status, 0)
  t.notMatch(again.stdout, / set$/m)
})

t.test('by a profile: its CPUs are leased until QEMU ends', async (t) => {
  if (!canTune(t)) return
  const config = join(temporaryDirectory(t), 'qemu-rt.toml')
  chmodSync(dirname(config), 0o755)
  writeFileSync(
    config,
    '[host]\nhousekeeping = "0"\nrealtime = "1"\n[profile.one]\nvcpus = { cpus = "auto" }\n[profile.io]\niothreads = { cpus = "1" }\n',
  )
  const pid = await start(t, 'tune-c')
  const profile = (name: string) => tune(['--pid', String(pid), '--config', config, '--profile', name])
  t.match(profile('one'), {
    status: 69,
    stderr: /^qemu-rt: vCPUs need 2 CPUs; only realtime CPU 1 is there/,
  })
  t.equal(profile('io').status, 0)
  t.ok(threads(pid).includes('IO disk 1 other 0'))
})

t.test('a dry run by a profile knows what other VMs hold', async (t) => {
  if (!canTune(t)) return
  const config = join(temporaryDirectory(t), 'qemu-rt.toml')
  writeFileSync(config, '[host]\nrealtime = "0-1"\n[profile.two]\nvcpus = { cpus = "auto" }\n')
  const [first, second] = [await start(t, 'tune-e'), await start(t, 'tune-f')]
  const profile = (pid: number, ...dry: string[]) =>
    tune(['--pid', String(pid), '--config', config, '--profile', 'two', ...dry])
  t.match(profile(second, '--dry-run'), { status: 0 })
  t.match(profile(first), { status: 0 })
  t.match(profile(second, '--dry-run'), { status: 69, stderr: /held by guest 'tune-e'/ })
  t.match(profile(first, '--dry-run'), { status: 0, stdout: /every thread is as wanted/ })
})

t.test('once more by a profile: it stays where it is, though other CPUs have become free', async (t) => {
  if (!canTune(t)) return
  const config = join(temporaryDirectory(t), 'qemu-rt.toml')
  writeFileSync(config, '[host]\nrealtime = "0-1"\n[profile.one]\nvcpus = { cpus = "auto" }\n')
  const [first, second] = [await start(t, 'tune-g', { vcpus: 1 }), await start(t, 'tune-h', { vcpus: 1 })]
  const profile = (pid: number, ...dry: string[]) =>
    tune(['--pid', String(pid), '--config', config, '--profile', 'one', ...dry])
  t.match(profile(first), { status: 0 })
  t.match(profile(second), { status: 0 })
  t.ok(threads(second).includes('CPU 0/TCG 1 other 0'))
  process.kill(first, 'SIGKILL')
  await waitFor('the first to end', 10, () => (readThreads(first) ?? []).length === 0)
  t.match(profile(second, '--dry-run'), { status: 0, stdout: /every thread is as wanted/ })
  t.match(profile(second), { status: 0, stdout: /was so/ })
  const records = readdirSync('/run/qemu-rt/vms').filter((name) => name.startsWith(`pid-${second}-`))
  t.equal(records.length, 1)
})

t.test('what cannot be is said', async (t) => {
  if (!canTune(t)) return
  const pid = await start(t, 'tune-d')
  const target = ['--pid', String(pid)]
  t.match(tune(target), {
    status: 69,
    stderr:
      /there is no record of a plan for the threads of PID \d+: .*; give --profile NAME, or --set WHO=CPUS/,
  })
  t.match(tune([...target, '--set', 'vcpus=0-1:fifo']), {
    status: 69,
    stderr: /^qemu-rt: vCPU 0 would be real-time on CPU 0, where QEMU's main thread runs: /,
  })
  t.match(tune([...target, '--set', 'iothread:x=1']), {
    status: 69,
    stderr: /^qemu-rt: --set 'iothread:x=1' matches no thread: there are emulator,/,
  })
  for (const dry of [[], ['--dry-run']]) {
    t.match(tune([...target, '--set', 'emulator=0-8191', ...dry]), {
      status: 69,
      stderr:
        /^qemu-rt: CPU \d+-8191, for emulator, does not exist on this host; name only CPUs of this host: 0-/,
    })
  }
  t.match(tune([...target, '--set', 'emulator=0', '--set', 'vcpu:0=1:fifo']), { status: 0 })
  for (const cpus of ['1', '0-1']) {
    t.match(tune([...target, '--set', `emulator=${cpus}`]), {
      status: 69,
      stderr: /^qemu-rt: vCPU 0 would be real-time on CPU 1, where QEMU's main thread runs: /,
    })
  }
  t.match(tune([...target, '--set', 'vcpus=0-1:other']), { status: 0 }, 'one that is not may be there')
  t.match(tune(['--pid', 'abc']), { status: 64, stderr: "qemu-rt: 'abc' is not a PID: --pid; give a number" })
  t.match(tune(['--domain', 'tune-nobody']), {
    status: 69,
    stderr: /^qemu-rt: no VM 'tune-nobody' is running that root or libvirt has a record of/,
  })
  t.match(tune(['--pid', '999999999']), { status: 69, stderr: /^qemu-rt: no process 999999999 is visible/ })
  t.match(tune(['--pid', '1', '--set', 'emulator=0:fifo:50', '--dry-run']), {
    status: 69,
    stdout: '',
    stderr: /^qemu-rt: PID 1 is not a QEMU: it runs [^\n]+; see 'qemu-rt status'\n$/,
  })
  t.match(tune([]), { status: 64, stderr: /^qemu-rt: tune needs to know which QEMU; give exactly one of/ })
  t.match(tune([...target, '--all']), { status: 64 })
  const asNobody = ['setpriv', '--reuid', NOBODY, '--regid', NOBODY, '--clear-groups']
  t.match(tune([...target, '--set', 'vcpu:0=1'], asNobody, launcherForAll(t, 'qemu-rt')), {
    status: 77,
    stderr: `qemu-rt: guest 'tune-d' (PID ${pid}): vCPU 0 cannot have CPU 1: it is another user's and CAP_SYS_NICE is missing; run as root: qemu-rt tune\n`,
  })
})

t.test('a vCPU that is plugged takes a free CPU when it is tuned', async (t) => {
  if (!canTune(t)) return
  const config = join(temporaryDirectory(t), 'qemu-rt.toml')
  chmodSync(dirname(config), 0o755)
  writeFileSync(
    config,
    '[host]\nrealtime = "0-1"\n[profile.later]\nvcpus = { cpus = "auto", hotplug = "later" }\n',
  )
  const guest = [
    '-name',
    'guest=tune-plug,debug-threads=on',
    '-machine',
    'q35',
    '-m',
    '32',
    '-smp',
    '1,maxcpus=4',
  ]
  const options = ['--rt-config', config, '--rt-profile', 'later']
  const running = startQemu(t, 'launcher', [...options, ...guest])
  const qmp = await running.qmp()
  const own = () => threads(running.pid).filter((thread) => thread.startsWith('CPU'))
  await waitFor('the vCPU on its CPU', 30, () => own().join() === 'CPU 0/TCG 0 other 0')
  const leases = () =>
    readdirSync('/run/qemu-rt/leases/0')
      .filter((name) => name.startsWith(`${running.pid}-`))
      .map((name) => name.split('@')[1])
  t.strictSame(leases(), ['0'])
  type Slot = { readonly type: string; readonly props: object; readonly 'qom-path'?: string }
  const slots = (await qmp.execute('query-hotpluggable-cpus')) as Slot[]
  // The last in the list is vCPU 0 (hw/core/machine-hmp-cmds.c prints them in this order, too).
  const empty = slots.filter((slot) => slot['qom-path'] === undefined).reverse()
  const plug = ([slot]: readonly Slot[]) =>
    qmp.execute('device_add', { driver: slot?.type, id: 'one', ...slot?.props })
  await plug(empty)
  await waitFor('the plugged vCPU', 30, () => own().length === 2)
  const byPid = ['--pid', String(running.pid), '--config', config]
  t.match(tune([...byPid, '--dry-run']).stdout, /taskset --pid --cpu-list 1 \d+ +# vCPU 1/)
  t.strictSame(leases(), ['0'], 'a dry run takes nothing')
  t.match(tune(byPid), { status: 0, stdout: /^vCPU 1 +\d+ +1 /m })
  t.strictSame(own(), ['CPU 0/TCG 0 other 0', 'CPU 1/TCG 1 other 0'])
  t.strictSame(leases(), ['0-1'])
  const locked = runSync(['flock', '-n', leaseFile(running.pid), 'true'])
  t.equal(locked.status, 1, "the lease's lock is QEMU's still")
  t.notMatch(tune(byPid).stdout, / set$/m)
  await running.stop()
})

t.test("root's record has the CPUs of plugged vCPUs, up to maxcpus", async (t) => {
  if (!canTune(t)) return
  const config = join(temporaryDirectory(t), 'qemu-rt.toml')
  writeFileSync(
    config,
    '[host]\nrealtime = "0-1"\n[profile.later]\nvcpus = { cpus = "auto", hotplug = "later" }\n',
  )
  const pid = await start(t, 'tune-root-plug', { vcpus: 3 })
  const setting = { policy: null, priority: null }
  const plan: VmRecord = {
    ...NEW_VM,
    id: `tune-plug-${process.pid}`,
    guest: { name: 'tune-root-plug', uuid: null },
    profile: 'later',
    lease: { nics: [], cpus: [0] },
    threads: {
      vcpus: [{ vcpu: 0, cpus: [0], ...setting }],
      emulator: null,
      iothreads: [],
      workers: null,
      vhost: null,
    },
    maxcpus: 2,
    process: processId(pid),
  }
  writeRootsRecord('/', plan)
  t.teardown(() => removeRootsRecord('/', plan))
  t.match(tune(['--domain', 'tune-root-plug', '--config', config]), { status: 0, stderr: '' })
  t.strictSame(
    threads(pid).filter((thread) => thread.startsWith('CPU')),
    ['CPU 0/TCG 0 other 0', 'CPU 1/TCG 1 other 0', 'CPU 2/TCG 0 other 0'],
    'vCPU 2, which it cannot have, stays where it is',
  )
  t.match(
    readRootsRecords('/').find(({ id }) => id === plan.id),
    {
      lease: { cpus: [0, 1] },
      threads: { vcpus: [{ vcpu: 0 }, { vcpu: 1, cpus: [1] }] },
      maxcpus: 2,
    },
  )
})

const leaseFile = (pid: number) => {
  const own = '/run/qemu-rt/leases/0'
  return join(own, readdirSync(own).find((name) => name.startsWith(`${pid}-`)) ?? '')
}
