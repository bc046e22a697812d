import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Observer } from '../../src/jitter/observer.js'
import { type JitterRun, runJitter } from '../../src/jitter/run.js'
import { launcher, PATH, processesWith, temporaryDirectory } from '../launcher/launcher.js'
import { qemuRt } from '../launcher/run.js'
import { QEMU, stopChild } from './launch.js'
import { needs } from './needs.js'
import { waitFor } from './wait.js'

/** In the environment of all that a test starts, so that what is left can be found. */
const MARK = `jitter-test-${process.pid}`
const ENV = { PATH, QEMU_RT_EMULATOR: QEMU, MARK }

const nothingIsLeft = () => waitFor('everything to end', 20, () => processesWith(MARK).length === 0)

const jitter = (...args: string[]) => qemuRt(['jitter', ...args], { env: ENV, timeout: 120_000 })

function hasTwoCpusAndRoot(t: Test): boolean {
  const problem =
    cpus().length < 2 ? 'this machine has one CPU' : process.getuid?.() === 0 ? null : 'this needs root'
  if (problem !== null) t.pass(problem, { skip: problem })
  return problem === null
}

t.test('the guest says what it has seen, under a load', async (t) => {
  if (!needs(t, [QEMU])) return
  const load = 'sleep 1000 & exec sleep 1000'
  const { status, stdout, stderr } = jitter(
    '--accel',
    'tcg',
    '--seconds',
    '2',
    '--format',
    'json',
    '--load',
    load,
  )
  t.equal(status, 0, stderr)
  const { runs, worstRatio } = JSON.parse(stdout)
  t.match(runs, [{ profile: null, accelerator: 'tcg' }])
  t.equal(worstRatio, null)
  const [{ seconds, worstMicroseconds, histogram, ticksPerMicrosecond }] = runs
  t.ok(seconds >= 2 && seconds < 30, `${seconds} s`)
  t.ok(ticksPerMicrosecond > 100, `${ticksPerMicrosecond} ticks a microsecond`)
  const last = histogram.at(-1)
  t.ok(
    last.fromMicroseconds <= worstMicroseconds && worstMicroseconds <= last.toMicroseconds,
    'the worst is in the last bucket',
  )
  await nothingIsLeft()
})

t.test('best effort and a profile, side by side', async (t) => {
  if (!hasTwoCpusAndRoot(t) || !needs(t, [QEMU, 'taskset', 'chrt', 'flock'])) return
  const config = join(temporaryDirectory(t), 'qemu-rt.toml')
  // Best effort, so that it cannot disturb the other tests.
  writeFileSync(config, '[profile.pinned]\nvcpus = { cpus = "1" }\nemulator = { cpus = "0" }\n')
  const { status, stdout, stderr } = jitter(
    ...['--accel', 'tcg', '--seconds', '2', '--config', config, '--profile', 'pinned', '--compare'],
  )
  t.equal(status, 0, stderr)
  t.match(stdout, /^Best effort, TCG, \d+ s: worst gap .*\n {2}vCPU 0 on CPU .*, other\n {2}gaps: /)
  t.match(stdout, /\nProfile 'pinned', TCG, \d+ s: worst gap .*\n {2}vCPU 0 on CPU 1, other\n/)
  t.match(stdout, /\n {2,}Best effort +Profile 'pinned'\n {2}gaps from +count +count\n/)
  t.match(stdout, /\n {2}- CPU 1 of the vCPU is not reserved for it|worst gap \d+ us/)
  t.match(stdout, /\nWorst gap with the profile: [\d.]+ times (lower|HIGHER) than best effort\.\n$/)
})

t.test('another vCPU than the first measures, for a profile that leaves the first best effort', async (t) => {
  if (!needs(t, [QEMU])) return
  // Without the profile: a guest that is busy at a real-time priority would disturb the other tests.
  const { vcpu, seconds } = await runJitter({
    launcher: launcher('qemu-rt'),
    profile: null,
    machine: { vcpus: 2, measured: [1], memory: 32n << 20n },
    mode: 'spin',
    intervalMicroseconds: 1000,
    accelerator: 'tcg',
    seconds: 2,
    load: null,
    config: null,
    emulator: QEMU,
  })
  t.match(vcpu, { number: 1, policy: 'other', priority: 0 })
  t.ok(seconds >= 2, `${seconds} s`)
})

/** Stops a process. @returns for how long at least and at most, in microseconds: this one may be kept from running, too */
function stopFor(pid: number, microseconds: number): { readonly least: number; readonly most: number } {
  const now = () => performance.now() * 1000
  const before = now()
  process.kill(pid, 'SIGSTOP')
  const begin = now()
  while (now() - begin < microseconds);
  const end = now()
  process.kill(pid, 'SIGCONT')
  return { least: end - begin, most: now() - before }
}

type How = Pick<JitterRun, 'mode' | 'intervalMicroseconds' | 'accelerator'>

/** What wakes a guest that halts. */
const TIMERS = { kvm: 'tsc-deadline', tcg: 'local-apic' } as const

const measureFor = (seconds: number, how: How, observers: JitterRun['observers'] = []) =>
  runJitter({
    ...{ launcher: launcher('qemu-rt'), profile: null, seconds, load: null, ...how },
    ...{ machine: { vcpus: 1, measured: [0], memory: 32n << 20n }, config: null, emulator: QEMU, observers },
  })

/**
 * Measures without a stop, then with one: of 3 ms on a quiet machine, else of so much more that nothing else is as long.
 * @returns what is wrong with what was seen; null for nothing
 */
async function missesStop(how: How): Promise<string | null> {
  const noise = (await measureFor(2, how)).worstMicroseconds
  let stop = { least: 0, most: 0 }
  let timer: NodeJS.Timeout | undefined
  const observer: Observer = {
    // In a record that counts.
    before: ({ pid }) => {
      timer = setTimeout(() => (stop = stopFor(pid, Math.max(3000, 3 * noise))), 1500)
    },
  }
  const seen = await measureFor(4, how, [observer]).finally(() => clearTimeout(timer))
  // Where in an interval the stop begins is chance, and so how much of it was to be waited for anyway.
  // And a vCPU that does not run just then stops later.
  const least = stop.least - noise - (how.mode === 'timer' ? how.intervalMicroseconds : 0)
  const most = stop.most + 4 * noise + 1000
  const { worstMicroseconds, timer: wokenBy } = seen
  if (wokenBy !== (how.mode === 'timer' ? TIMERS[how.accelerator] : null)) return `woken by ${wokenBy}`
  const isSeen = stop.least > 0 && worstMicroseconds >= least && worstMicroseconds <= most
  return isSeen ? null : `${worstMicroseconds} us seen of a stop of ${least} to ${most} us`
}

/** Why KVM cannot run the guest here; null where it can. Within a VM it may be there and not start one. */
async function kvmObstacle(how: How): Promise<string | null> {
  if (!existsSync('/dev/kvm')) return 'there is no /dev/kvm'
  return measureFor(2, how).then(
    () => null,
    (error: unknown) => `KVM does not run the guest here: ${String(error)}`,
  )
}

for (const accelerator of ['tcg', 'kvm'] as const) {
  for (const task of [
    { mode: 'spin', intervalMicroseconds: 1000 },
    { mode: 'timer', intervalMicroseconds: 250 },
  ] as const) {
    const how = { ...task, accelerator }
    t.test(`a stop of QEMU is seen as long as it was: ${task.mode}, ${accelerator}`, async (t) => {
      if (!needs(t, [QEMU])) return
      const obstacle = accelerator === 'kvm' ? await kvmObstacle(how) : null
      if (obstacle !== null) {
        t.pass(obstacle, { skip: obstacle })
        return
      }
      let problem: string | null = 'not tried'
      // A machine may be so busy that something longer comes between.
      for (let tries = 0; tries < 3 && problem !== null; tries++) {
        problem = await missesStop(how).catch((error: unknown) => String(error))
        t.comment(problem ?? 'seen')
      }
      t.equal(problem, null)
    })
  }
}

t.test('a guest that stops reporting ends the measurement, and QEMU with it', async (t) => {
  if (!needs(t, [QEMU])) return
  let pid = 0
  const observer: Observer = {
    before: (watched) => {
      pid = watched.pid
      process.kill(pid, 'SIGSTOP')
    },
  }
  await t.rejects(
    runJitter({
      ...{ launcher: launcher('qemu-rt'), profile: null, seconds: 2, load: null, accelerator: 'tcg' },
      ...{ mode: 'timer', intervalMicroseconds: 1000, silenceMs: 1000, config: null, emulator: QEMU },
      ...{ machine: { vcpus: 1, measured: [0], memory: 32n << 20n }, observers: [observer] },
    }),
    { exitCode: 69, message: /^the guest stopped reporting: nothing for 1 s; see whether/ },
  )
  await waitFor('the end of QEMU', 10, () => !existsSync(`/proc/${pid}`))
})

t.test('several vCPUs, a limit, and the comparison of two results', async (t) => {
  if (!needs(t, [QEMU])) return
  const place = temporaryDirectory(t)
  const args = ['--accel', 'tcg', '--seconds', '2', '--mode', 'timer', '--vcpus', '2', '--format', 'json']
  const files = [
    ['--fail-over', '1us'],
    ['--fail-over', '1000s'],
  ].map((limit, index) => {
    const { status, stdout, stderr } = jitter(...args, ...limit)
    t.equal(status, index === 0 ? 79 : 0, stderr)
    const file = join(place, `${index}.json`)
    writeFileSync(file, stdout)
    return { file, json: JSON.parse(stdout) }
  })
  const { host, failOver, runs } = files[0]?.json ?? {}
  t.match(failOver, { microseconds: 1, exceeded: true })
  t.match(host, { kernel: String, commandLine: String, checks: { counts: { pass: Number }, notPassed: [] } })
  t.match(runs, [{ mode: 'timer', timer: 'local-apic', intervalMicroseconds: 1000 }])
  const [{ vcpus, worstMicroseconds, worstOverTime }] = runs
  t.match(vcpus, [{ number: 0 }, { number: 1 }])
  t.equal(
    worstMicroseconds,
    Math.max(...vcpus.map((one: { worstMicroseconds: number }) => one.worstMicroseconds)),
  )
  t.ok(worstOverTime.microseconds.length >= 2)
  const compared = jitter('diff', '--format', 'json', ...files.map(({ file }) => file))
  t.equal(compared.status, 0, compared.stderr)
  t.match(JSON.parse(compared.stdout), { version: 1, isHostKnown: true, host: {}, worstRatio: Number })
  t.match(jitter('diff', ...files.map(({ file }) => file)).stdout, /^Host:\n {2}no difference\nRun:\n/)
})

t.test('best effort is best effort whatever the configuration gives to every VM', async (t) => {
  if (!needs(t, [QEMU])) return
  const config = join(temporaryDirectory(t), 'qemu-rt.toml')
  writeFileSync(
    config,
    '[profile.p]\nhugepages = "1G"\n[[domain]]\nname = "*"\nprofile = "p"\nnics = ["lo"]\n',
  )
  const { status, stderr } = jitter('--accel', 'tcg', '--seconds', '2', '--config', config)
  t.equal(status, 0, stderr)
})

/** `jitter`, once its load runs. */
async function loaded(t: Test, load: string): Promise<ChildProcess> {
  const started = join(temporaryDirectory(t), 'started')
  const child = spawn(
    launcher('qemu-rt'),
    ['jitter', '--accel', 'tcg', '--load', `touch ${started}; ${load}`],
    { env: ENV, stdio: 'ignore' },
  )
  t.teardown(() => stopChild(child))
  await waitFor('the load', 60, () => existsSync(started))
  return child
}

t.test('Ctrl-C and Ctrl-\\ end the guest and the load', async (t) => {
  if (!needs(t, [QEMU])) return
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
    const child = await loaded(t, 'sleep 1000 & sleep 1000')
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    t.equal(await ended, 130, signal)
    await nothingIsLeft()
  }
})

t.test('SIGKILL ends the guest and the process of the load', async (t) => {
  if (!needs(t, [QEMU, 'setpriv'])) return
  const child = await loaded(t, 'exec sleep 1000')
  child.kill('SIGKILL')
  await nothingIsLeft()
})

t.test('wrong usage, and a guest that does not run', async (t) => {
  t.match(jitter('--seconds', '1'), {
    status: 64,
    stderr:
      "qemu-rt: '1' is not from 2 to 604800: --seconds; write a number of seconds, such as --seconds 10\n",
  })
  const usage: [string[], RegExp][] = [
    [['--interval', '1ms'], /^qemu-rt: a guest that spins has no timer: --interval; /],
    [['--mode', 'timer', '--interval', '1'], /^qemu-rt: '1' is not from 20us to 100ms: --interval; /],
    [['--fail-over', '40'], /^qemu-rt: '40' is not a length of time from 1us to 1000s: --fail-over; /],
    [['--vcpus', '65'], /^qemu-rt: '65' is neither 'all' nor a number from 1 to 64: --vcpus; /],
    [['--seconds', '604801'], /^qemu-rt: '604801' is not from 2 to 604800/],
  ]
  for (const [args, stderr] of usage) t.match(jitter(...args), { status: 64, stderr })
  t.match(jitter('diff', '/nowhere/a', '/nowhere/b'), {
    status: 65,
    stderr: /^qemu-rt: a result cannot be read/,
  })
  t.match(jitter('--compare'), { status: 64, stderr: /^qemu-rt: --compare needs a profile/ })
  if (!needs(t, [QEMU])) return
  t.match(jitter('--accel', 'tcg', '--load', 'exit 3'), {
    status: 64,
    stderr: /^qemu-rt: the load ended by itself \(exit code 3\).*: --load 'exit 3'; /,
  })
  t.match(jitter('--accel', 'tcg', '--profile', 'nope'), {
    status: 78,
    stderr: /^qemu-rt: profile 'nope' is not defined/,
  })
  const broken = join(temporaryDirectory(t), 'qemu')
  writeFileSync(broken, '#!/bin/sh\necho "qemu: no such machine" >&2\nexit 1\n', { mode: 0o755 })
  t.match(jitter('--accel', 'tcg', '--emulator', broken), {
    status: 69,
    stderr: /^qemu-rt: the guest reported nothing \(QEMU ended: exit code 1\): qemu: no such machine; /,
  })
  // The launcher's advice, with the options that this command has.
  t.match(jitter('--emulator', '/nowhere/qemu').stderr, / under \[emulators\] or by --emulator$/m)
  t.match(jitter('--emulator', '/nowhere/qemu'), {
    status: 69,
    stderr: /^qemu-rt: [^\n]*\/nowhere\/qemu[^\n]*\n$/,
  })
})
