import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import t, { type Test } from 'tap'
import { processId } from '../../src/record/process-id.js'
import { removeRootsRecord, writeRootsRecord } from '../../src/record/root/records.js'
import { formatVm, parseVm } from '../../src/record/vm.js'
import { readSnapshot } from '../../src/status/read.js'
import { type Status, statusOf } from '../../src/status/status.js'
import { forgetUsage } from '../../src/status/usage.js'
import { PATH, ROOT, temporaryDirectory } from '../launcher/launcher.js'
import { QEMU, stopChild } from './launch.js'
import { needs } from './needs.js'
import { waitFor } from './wait.js'

const NO_SETS = { housekeeping: null, realtime: null, switch: null }

/** Starts QEMU as the launcher would have left it, with a plan for one vCPU and the threads around it. */
async function startPlanned(t: Test, name: string, threads: object | null, args: readonly string[] = []) {
  const id = `status-test-${process.pid}-${name}`.replace(/[^\w-]/g, '_').slice(0, 60)
  const plan = parseVm(JSON.stringify({ version: 1, id, guest: { name }, profile: 'rt', threads }))
  if (plan === null) throw new Error('this is no plan')
  const options = ['-display', 'none', '-nodefaults', '-m', '16M', '-accel', 'tcg,thread=multi', ...args]
  const qemu = spawn(QEMU, ['-name', 'debug-threads=on', ...options], {
    env: { PATH, QEMU_RT_PLAN: formatVm(plan) },
    stdio: 'ignore',
  })
  t.teardown(() => stopChild(qemu))
  // Root goes by its own records; another user by what its processes carry.
  if (process.getuid?.() === 0) {
    writeRootsRecord('/', { ...plan, process: processId(qemu.pid ?? 0) })
    t.teardown(() => removeRootsRecord('/', plan))
  }
  await waitFor("QEMU's vCPU thread", 30, async () => {
    return (await look(qemu)).vm?.threads.some(({ role }) => role.kind === 'vcpu') === true
  })
  return qemu
}

async function look({ pid }: ChildProcess, before: Parameters<typeof statusOf>[1] = null) {
  const now = await readSnapshot({ sysroot: '/', sets: NO_SETS, intervalMs: 1000 })
  const status = statusOf(now, before)
  return { now, status, vm: vmOf(status, pid) }
}

function vmOf(status: Status, pid: number | undefined) {
  return status.vms.find((vm) => vm.pid === pid)
}

const TO_CPU_0 = {
  vcpus: [{ vcpu: 0, cpus: '0' }],
  emulator: { cpus: '0' },
  iothreads: [{ id: 'iothread1', cpus: '0', policy: 'batch' }],
}

const tooFewCpus = availableParallelism() < 2 && 'needs two CPUs'

t.test('drift of a real QEMU is seen, and seen to be gone', { skip: tooFewCpus }, async (t) => {
  if (!needs(t, [QEMU, 'taskset', 'chrt'])) return
  const qemu = await startPlanned(t, 'plc-1', TO_CPU_0, ['-S', '-object', 'iothread,id=iothread1'])
  const pid = String(qemu.pid)
  const drift = async () =>
    (await look(qemu)).vm?.threads.map(({ role, drift }) => `${role.kind}: ${drift.join(' ')}`)

  execFileSync('taskset', ['--all-tasks', '--pid', '--cpu-list', '1', pid])
  t.match(await drift(), ['vcpu: cpus', 'iothread: cpus policy', /^emulator: cpus/])

  execFileSync('taskset', ['--all-tasks', '--pid', '--cpu-list', '0', pid])
  t.match(await drift(), ['vcpu: ', 'iothread: policy', /^emulator: $/])

  const io = (await look(qemu)).vm?.threads.find(({ role }) => role.kind === 'iothread')?.thread.tid
  execFileSync('chrt', ['--batch', '--pid', '0', String(io)])
  t.match(await drift(), ['vcpu: ', 'iothread: ', /^emulator: $/])

  const vm = (await look(qemu)).vm
  t.match(vm, { guest: { name: 'plc-1' }, profile: 'rt', isPlanned: true, missing: [] })
  t.ok((vm?.usage?.memory ?? 0) > 1024 * 1024, 'pidusage says what memory it takes')
  forgetUsage()
})

t.test('a process that has a name of QEMU, and arguments that QEMU would refuse, is none', async (t) => {
  const program = join(temporaryDirectory(t), 'qemu-system-x86_64')
  copyFileSync('/bin/sh', program)
  const child = spawn(program, ['-c', 'read line', '-name', 'guest=odd', '-object'], {
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  t.teardown(() => stopChild(child))
  await waitFor('the program', 10, () =>
    readFileSync(`/proc/${child.pid}/cmdline`, 'latin1').includes('-object'),
  )
  t.equal((await look(child)).vm, undefined)
})

t.test('a QEMU that takes CPU time is seen to do so', async (t) => {
  if (!needs(t, [QEMU])) return
  const firmware = join(temporaryDirectory(t), 'spin.bin')
  // `jmp $` wherever the CPU begins.
  writeFileSync(firmware, Buffer.alloc(65_536, Buffer.from([0xeb, 0xfe])))
  const qemu = await startPlanned(t, 'busy', null, ['-bios', firmware])
  const before = (await look(qemu)).now
  await new Promise((resolve) => setTimeout(resolve, 700))
  const { vm, status } = await look(qemu, before)
  t.match(vm, { isPlanned: false, missing: [] })
  t.ok((status.seconds ?? 0) >= 0.7)
  // Other tests run beside this one: it may not get a whole CPU.
  t.ok((vm?.usage?.cpuPercent ?? 0) > 5, `the process took ${vm?.usage?.cpuPercent} %`)
  const [vcpu] = vm?.threads ?? []
  t.ok((vcpu?.cpuPercent ?? 0) > 5, `its vCPU took ${vcpu?.cpuPercent} %`)
  forgetUsage()
})

/** The command by itself, for Node. @returns its arguments for `node`, but for the options */
async function program(t: Test): Promise<(options: object) => string[]> {
  const outfile = join(temporaryDirectory(t), 'status.mjs')
  await build({
    stdin: {
      contents: `import { status } from './src/commands/status.js'
        import { start } from './src/entry.js'
        start({ status: ([options]) => status(JSON.parse(options)) })`,
      resolveDir: ROOT,
      loader: 'ts',
    },
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    outfile,
  })
  return (options) => [outfile, 'status', JSON.stringify({ watch: false, format: 'text', ...options })]
}

/** Starts a program and keeps what it prints. */
function run(t: Test, command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(command, args, { env: { PATH: process.env.PATH, ...env } })
  t.teardown(() => stopChild(child))
  const result = { child, stdout: '', stderr: '', ended: once(child, 'close') }
  child.stdout.on('data', (chunk) => (result.stdout += chunk))
  child.stderr.on('data', (chunk) => (result.stderr += chunk))
  return result
}

t.test('the command prints JSON, and ends by itself', async (t) => {
  if (!needs(t, [QEMU])) return
  const args = await program(t)
  const qemu = await startPlanned(t, 'plc-1', TO_CPU_0, ['-S'])
  const single = run(t, process.execPath, args({ format: 'json', interval: 0.1 }))
  t.same(await single.ended, [0, null])
  t.equal(single.stderr, '')
  const json = JSON.parse(single.stdout)
  const vm = json.vms.find(({ pid }: { pid: number }) => pid === qemu.pid)
  t.match(vm, { guest: { name: 'plc-1' }, cpuPercent: Number, memoryBytes: Number, threads: Array })
  t.ok(json.cpus.length > 0)

  const watched = run(t, process.execPath, args({ format: 'json', interval: 0.1, watch: true }))
  await waitFor('two lines', 20, () => watched.stdout.split('\n').length > 2)
  watched.child.kill('SIGTERM')
  t.same(await watched.ended, [null, 'SIGTERM'])
  const lines = watched.stdout.split('\n').slice(0, 2)
  t.same(
    lines.map((line) => JSON.parse(line).version),
    [1, 1],
  )
})

t.test('without a terminal text comes snapshot after snapshot, without colour and not cut', async (t) => {
  if (!needs(t, [QEMU])) return
  const args = await program(t)
  const name = 'a-guest-with-a-long-name-'.repeat(8)
  await startPlanned(t, name, TO_CPU_0, ['-S'])
  const watched = run(t, process.execPath, args({ interval: 0.1, watch: true }), { TERM: 'xterm' })
  await waitFor('two snapshots', 20, () => watched.stdout.split('qemu-rt status ').length > 2)
  watched.child.kill('SIGTERM')
  await watched.ended
  t.match(watched.stdout, `\n${name}  PID `)
  t.notMatch(watched.stdout, '\x1b')
})

t.test('an interval that cannot be waited is an error of usage', async (t) => {
  const args = await program(t)
  for (const interval of [0, -1, 1e9, 'x']) {
    const result = run(t, process.execPath, args({ interval }))
    t.same(await result.ended, [64, null])
    t.match(result.stderr, /^qemu-rt: --interval is not a number of seconds/)
  }
})

t.test('on a terminal of 80 columns it draws in place, and gives the terminal back', async (t) => {
  if (!needs(t, [QEMU, 'script', 'stty', 'taskset'])) return
  const args = await program(t)
  await startPlanned(t, 'plc-1', { ...TO_CPU_0, emulator: { cpus: '0', policy: 'batch' } }, ['-S'])
  const directory = temporaryDirectory(t)
  const onTerminal = (options: object, env: NodeJS.ProcessEnv) => {
    // Other tests' VMs are shown too: a high window has room for them.
    const pidFile = join(directory, 'pid')
    const command = [process.execPath, ...args(options)].map((word) => `'${word}'`).join(' ')
    const script = `stty cols 80 rows 200; echo $$ >${pidFile}; exec ${command}`
    const terminal = run(t, 'script', ['-qfec', script, '/dev/null'], {
      TERM: 'xterm',
      SHELL: '/bin/sh',
      ...env,
    })
    const pid = () => Number(readFileSync(pidFile, 'utf8'))
    return { terminal, pid }
  }
  const lines = (text: string) => text.replaceAll('\x1b[H', '\n').replace(SEQUENCES, '').split(/\r*\n/)

  const { terminal } = onTerminal({ watch: true, interval: 0.1 }, {})
  await waitFor('three drawings', 20, () => terminal.stdout.split('\x1b[H').length > 3)
  terminal.child.stdin.write('q')
  t.same(await terminal.ended, [0, null], 'q ends it')
  t.ok(terminal.stdout.startsWith('\x1b[?1049h'), 'the alternate screen')
  t.ok(terminal.stdout.endsWith('\x1b[?25h\x1b[?1049l'), 'is left, and the cursor is back')
  t.match(terminal.stdout, '\x1b[1;31m!', 'drift is red')
  t.equal(
    lines(terminal.stdout).find((line) => line.length > 80),
    undefined,
    'nothing is wider',
  )

  const stopped = onTerminal({ watch: true, interval: 0.1 }, { NO_COLOR: '1' })
  await waitFor('a drawing', 20, () => stopped.terminal.stdout.includes('plc-1'))
  process.kill(stopped.pid(), 'SIGTERM')
  await stopped.terminal.ended
  t.ok(stopped.terminal.stdout.endsWith('\x1b[?25h\x1b[?1049l'), 'a signal gives the terminal back too')
  t.match(stopped.terminal.stdout, '! emulator')
  t.notMatch(stopped.terminal.stdout, '\x1b[1', 'no colour with NO_COLOR')

  const single = onTerminal({ interval: 0.1 }, { NO_COLOR: '1' })
  await single.terminal.ended
  t.notMatch(single.terminal.stdout, '\x1b')
  t.equal(
    lines(single.terminal.stdout).find((line) => line.length > 80),
    undefined,
  )
})

/** Control sequences, which take no room. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they begin with one
const SEQUENCES = /\x1b\[[?0-9;]*[A-Za-z]/g
