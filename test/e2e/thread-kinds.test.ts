import { spawn } from 'node:child_process'
import { chmodSync, chownSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { readProc } from '../../src/host/proc.js'
import { processId } from '../../src/record/process-id.js'
import { removeRootsRecord, writeRootsRecord } from '../../src/record/root/records.js'
import { NEW_VM } from '../../src/record/vm.js'
import { readThreads, type Thread } from '../../src/tune/threads.js'
import { formatCpuSet } from '../../src/units/cpu-set.js'
import { writeFiles } from '../host/made-host.js'
import { launcher, launcherForAll, PATH, processesWith, temporaryDirectory } from '../launcher/launcher.js'
import { qemuRt, runSync } from '../launcher/run.js'
import { QEMU, stopChild } from './launch.js'
import { needs } from './needs.js'
import { connectQmp, type Qmp } from './qmp.js'
import { waitFor } from './wait.js'

const CONFIG = `
[host]
housekeeping = "0"
realtime = "1"

[profile.io]
vcpus = { cpus = "0", policy = "other" }
emulator = { cpus = "0" }
iothreads = { disk-of-the-database = { cpus = "1", policy = "fifo", priority = 7 }, short = { cpus = "1" }, log-of-the-database = { cpus = "0-1", policy = "batch" } }

[profile.strict]
vcpus = { cpus = "auto", policy = "fifo" }
emulator = { cpus = "0", policy = "batch" }
iothreads = { cpus = "0" }
strict = true

[profile.io-strict]
vcpus = { cpus = "1" }
emulator = { cpus = "0", policy = "batch" }
strict = true
`

const IO = [
  ...['-object', 'iothread,id=log-of-the-database', '-object', 'iothread,id=short'],
  ...['-object', 'iothread,id=disk-of-the-database'],
]

const MACHINE = [
  ...['-nodefaults', '-display', 'none', '-accel', 'tcg', '-cpu', 'pentium', '-m', '32'],
  ...['-name', 'guest=vm'],
]

const NOBODY = 65534

function canPlace(t: Test): boolean {
  const problem =
    cpus().length < 2 ? 'this machine has one CPU' : process.getuid?.() === 0 ? null : 'this needs root'
  if (problem === null) return needs(t, [QEMU, 'taskset', 'chrt', 'flock', 'setpriv'])
  t.pass(problem, { skip: problem })
  return false
}

interface Start {
  readonly profile: string
  readonly args?: readonly string[]
  readonly user?: number
  readonly emulator?: string
  readonly path?: string
}

function start(t: Test, { profile, args = [], user = 0, emulator = QEMU, path = PATH }: Start) {
  const site = temporaryDirectory(t)
  writeFiles(site, {
    '/sys/devices/system/cpu/present': '0-1\n',
    '/sys/devices/system/cpu/online': '0-1\n',
  })
  chownSync(site, user, user)
  const config = join(temporaryDirectory(t), 'qemu-rt.toml')
  writeFileSync(config, CONFIG)
  chmodSync(dirname(config), 0o755)
  const log = openSync(`${site}/log`, 'a')
  chownSync(`${site}/log`, user, user)
  const command = user === 0 ? [] : ['setpriv', '--reuid', `${user}`, '--regid', `${user}`, '--clear-groups']
  const [program = '', ...rest] = [
    ...[...command, user === 0 ? launcher() : launcherForAll(t)],
    ...['--rt-profile', profile, ...MACHINE, ...args],
  ]
  const child = spawn(program, rest, {
    env: { PATH: path, QEMU_RT_EMULATOR: emulator, QEMU_RT_CONFIG: config, QEMU_RT_SYSROOT: site },
    stdio: ['ignore', log, log],
  })
  t.teardown(() => stopChild(child))
  const pid = child.pid ?? 0
  const output = () => readFileSync(`${site}/log`, 'utf8')
  return {
    pid,
    exitCode: () => child.exitCode,
    line: () =>
      waitFor("the tuner's line", 60, () => /^qemu-rt: .*\n/m.exec(output())?.[0].trimEnd() ?? null),
  }
}

/** Whether the tuner of a launch has ended. */
const hasNoTuner = (pid: number) =>
  !processesWith('QEMU_RT_TUNE=').some((tuner) =>
    readProc(`/proc/${tuner}/cmdline`)?.endsWith(`\0tuner\0${pid}\0`),
  )

const describe = ({ cpus, policy, priority }: Thread) => `${formatCpuSet(cpus)} ${policy} ${priority}`

/** QEMU's I/O threads by its own word, by id. */
async function iothreads(qmp: Qmp, pid: number): Promise<Record<string, string>> {
  const told = (await qmp.execute('query-iothreads')) as { id: string; 'thread-id': number }[]
  const threads = readThreads(pid) ?? []
  return Object.fromEntries(
    told.map((one) => {
      const thread = threads.find(({ tid }) => tid === one['thread-id'])
      return [one.id, thread === undefined ? 'none' : describe(thread)]
    }),
  )
}

const hasContexts = () => runSync([QEMU, '-object', 'thread-context,help']).status === 0

t.test('I/O threads with ids that QEMU cannot name are the ones that QEMU itself says', async (t) => {
  if (!canPlace(t)) return
  const socket = join(temporaryDirectory(t), 'qmp')
  // A context comes before all I/O threads, wherever it stands, and a name of its own is no other program.
  const context = hasContexts() ? ['-object', 'thread-context,id=context-of-the-ram,cpu-affinity=1'] : []
  const vm = start(t, {
    profile: 'io',
    args: [...IO, ...context, '-name', 'process=another', '-qmp', `unix:${socket},server=on,wait=off`],
  })
  const line = await vm.line()
  t.match(line, /I\/O thread disk-of-the-database on CPU 1 fifo 7.*; set after \d+ ms$/)
  await waitFor('the tuner to end', 10, () => hasNoTuner(vm.pid))
  const qmp = await connectQmp(socket)
  t.strictSame(await iothreads(qmp, vm.pid), {
    'log-of-the-database': '0-1 batch 0',
    short: '1 other 0',
    'disk-of-the-database': '1 fifo 7',
  })
  qmp.close()
})

/** A QEMU that makes an I/O thread less than its command line says. */
function withoutIothread(t: Test): string {
  const path = join(temporaryDirectory(t), 'qemu-system-x86_64')
  writeFileSync(
    path,
    `#!/bin/sh\nfor one; do shift; case $one in iothread,id=disk-*) one=secret,id=no,data=no;; esac; set -- "$@" "$one"; done\nexec ${QEMU} "$@"\n`,
  )
  chmodSync(path, 0o755)
  chmodSync(dirname(path), 0o755)
  return path
}

t.test('the tuner waits for what is missing no longer than seconds, and says so', async (t) => {
  if (!canPlace(t)) return
  const vm = start(t, { profile: 'io', args: IO, emulator: withoutIothread(t) })
  const began = Date.now()
  t.match(
    await vm.line(),
    /^qemu-rt: warning: guest 'vm': .*I\/O thread short on CPU 1.*; I\/O thread log-of-the-database, I\/O thread disk-of-the-database were not found among QEMU's threads and were not set: QEMU cannot name a thread whose id is longer than 12 bytes; give them a shorter id and start the VM again; the VM runs on without$/,
  )
  t.ok(Date.now() - began < 30_000)
  await waitFor('the tuner to end', 10, () => hasNoTuner(vm.pid))
  t.equal(vm.exitCode(), null)
})

t.test('strict stops the VM for a vCPU, whatever else is not known', async (t) => {
  if (!canPlace(t)) return
  const vm = start(t, { profile: 'strict', args: IO, user: NOBODY, emulator: withoutIothread(t) })
  t.match(
    await vm.line(),
    /^qemu-rt: error: guest 'vm': vCPU 0 cannot have fifo 1: .* were not found among QEMU's threads.*; the VM is stopped \(strict\)$/,
  )
  await waitFor('QEMU to end', 20, () => vm.exitCode() !== null)
})

t.test('strict stops no VM for EINVAL of a thread that is no vCPU and no I/O thread', async (t) => {
  if (!canPlace(t)) return
  const directory = temporaryDirectory(t)
  writeFileSync(
    join(directory, 'chrt'),
    '#!/bin/sh\ncase $* in *--batch*) for tid; do :; done; echo "chrt: failed to set pid $tid\'s policy: Invalid argument" >&2; exit 1;; esac\ncommand -p chrt "$@"\n',
  )
  chmodSync(join(directory, 'chrt'), 0o755)
  const vm = start(t, { profile: 'io-strict', path: `${directory}:${PATH}` })
  t.match(
    await vm.line(),
    /^qemu-rt: warning: guest 'vm': .*vCPU 0 on CPU 1.*; set after \d+ ms; emulator '[^']+' \(TID \d+\) cannot have batch: chrt: failed to set pid \d+'s policy: Invalid argument; see what it has: taskset -cp \d+; chrt -p \d+; the VM runs on without$/,
  )
  t.equal(vm.exitCode(), null)
})

t.test('tune says what is missing, and does not call it so', async (t) => {
  if (!canPlace(t)) return
  const socket = join(temporaryDirectory(t), 'qmp')
  const args = [...MACHINE, '-name', 'debug-threads=on', ...IO, '-qmp', `unix:${socket},server=on,wait=off`]
  const child = spawn('taskset', ['-c', '0', QEMU, '-S', ...args], { stdio: 'ignore', env: { PATH } })
  t.teardown(() => stopChild(child))
  const pid = child.pid ?? 0
  await waitFor('the vCPU', 30, () => readThreads(pid)?.some(({ name }) => name === 'CPU 0/TCG') ?? false)
  const only = (cpus: readonly number[]) => ({ cpus, policy: null, priority: null })
  const record = {
    ...NEW_VM,
    id: `kinds-${process.pid}`,
    guest: { name: 'vm', uuid: null },
    threads: {
      vcpus: [{ vcpu: 0, ...only([1]) }],
      emulator: only([0]),
      iothreads: [{ id: 'log-of-the-database', ...only([1]) }],
      workers: null,
      vhost: null,
      unnamed: [
        { type: 'iothread' as const, id: 'log-of-the-database' },
        { type: 'iothread' as const, id: 'disk-of-the-database' },
      ],
    },
  }
  writeRootsRecord('/', { ...record, process: processId(pid) })
  t.teardown(() => removeRootsRecord('/', record))
  const tune = () => qemuRt(['tune', '--pid', `${pid}`])
  const found = tune()
  t.match(found, { status: 0, stdout: /I\/O thread log-of-the-database +\d+ +1 +- +set/ }, found.stderr)
  const qmp = await connectQmp(socket)
  await qmp.execute('object-del', { id: 'disk-of-the-database' })
  qmp.close()
  const lost = tune()
  t.match(lost, {
    status: 69,
    stdout: /I\/O thread log-of-the-database +- +- +- +not found/,
    stderr: /guest 'vm' \(PID \d+\): I\/O thread log-of-the-database was not found among QEMU's threads/,
  })
})

t.test("a user's QEMU is known by the file that it runs, whatever it calls itself", async (t) => {
  if (!canPlace(t)) return
  const command = launcherForAll(t, 'qemu-rt')
  const asNobody = ['--reuid', `${NOBODY}`, '--regid', `${NOBODY}`, '--clear-groups']
  const processes = { 'kinds-a': 'sh', 'kinds-b': 'qemu:kinds-b' }
  for (const [name, process] of Object.entries(processes)) {
    const machine = ['-nodefaults', '-display', 'none', '-accel', 'tcg', '-m', '32', '-S']
    const child = spawn(
      'setpriv',
      [...asNobody, QEMU, ...machine, '-name', `guest=${name},process=${process},debug-threads=on`],
      {
        stdio: 'ignore',
        env: { PATH },
      },
    )
    t.teardown(() => stopChild(child))
    await waitFor(
      'the vCPU',
      30,
      () => readThreads(child.pid ?? 0)?.some((thread) => thread.name === 'CPU 0/TCG') ?? false,
    )
    const tuned = runSync(['setpriv', ...asNobody, command, 'tune', '--domain', name, '--set', 'vcpus=1'])
    t.match(tuned, { status: 0, stdout: /vCPU 0 +\d+ +1 +- +set/ }, tuned.stderr)
  }
})
