import { spawn, spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runJitter } from '../../src/jitter/run.js'
import { launcher, PATH, processesWith, temporaryDirectory } from '../launcher/launcher.js'
import { QEMU, stopChild } from './launch.js'
import { needs } from './needs.js'
import { waitFor } from './wait.js'

/** In the environment of all that a test starts, so that what is left can be found. */
const MARK = `jitter-test-${process.pid}`
const ENV = { PATH, QEMU_RT_EMULATOR: QEMU, MARK }

const nothingIsLeft = () => waitFor('everything to end', 20, () => processesWith(MARK).length === 0)

const jitter = (...args: string[]) => {
  const options = { env: ENV, encoding: 'utf8' as const, timeout: 120_000 }
  const { status, stdout, stderr } = spawnSync(launcher('qemu-rt'), ['jitter', ...args], options)
  return { status, stdout, stderr }
}

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

t.test('Ctrl-C ends the guest and the load', async (t) => {
  if (!needs(t, [QEMU])) return
  const started = join(temporaryDirectory(t), 'started')
  const child = spawn(
    launcher('qemu-rt'),
    ['jitter', '--accel', 'tcg', '--load', `touch ${started}; sleep 1000 & sleep 1000`],
    { env: ENV, stdio: 'ignore' },
  )
  t.teardown(() => stopChild(child))
  await waitFor('the load', 60, () => existsSync(started))
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGINT')
  t.equal(await ended, 130)
  await nothingIsLeft()
})

t.test('wrong usage, and a guest that does not run', async (t) => {
  t.match(jitter('--seconds', '1'), {
    status: 64,
    stderr:
      "qemu-rt: '1' is not from 2 to 604800: --seconds; write a number of seconds, such as --seconds 10\n",
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
  t.match(jitter('--emulator', '/nowhere/qemu'), {
    status: 69,
    stderr: /^qemu-rt: [^\n]*\/nowhere\/qemu[^\n]*\n$/,
  })
})
