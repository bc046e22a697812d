import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { launcher, PATH, processesWith, temporaryDirectory } from '../launcher/launcher.js'
import { QEMU } from './launch.js'
import { needs } from './needs.js'

const jitter = (...args: string[]) => {
  const options = { env: { PATH, QEMU_RT_EMULATOR: QEMU }, encoding: 'utf8' as const, timeout: 120_000 }
  const { status, stdout, stderr } = spawnSync(launcher('qemu-rt'), ['jitter', ...args], options)
  return { status, stdout, stderr }
}

t.test('the guest says what it has seen, under a load', async (t) => {
  if (!needs(t, [QEMU])) return
  const load = 'exec sleep 1000'
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
  t.strictSame(processesWith('qemu-rt-jitter'), [], 'nothing is left')
})

t.test('best effort and a profile, side by side', async (t) => {
  const problem =
    cpus().length < 2 ? 'this machine has one CPU' : process.getuid?.() === 0 ? null : 'this needs root'
  if (problem !== null) return void t.pass(problem, { skip: problem })
  if (!needs(t, [QEMU, 'taskset', 'chrt', 'flock'])) return
  const config = join(temporaryDirectory(t), 'qemu-rt.toml')
  // Best effort, so that it cannot disturb the other tests.
  writeFileSync(config, '[profile.pinned]\nvcpus = { cpus = "1" }\nemulator = { cpus = "0" }\n')
  const { status, stdout, stderr } = jitter(
    ...['--accel', 'tcg', '--seconds', '2', '--config', config, '--profile', 'pinned', '--compare'],
  )
  t.equal(status, 0, stderr)
  t.match(stdout, /^Best effort, TCG, \d+ s: worst gap .*\n {2}gaps: .*\n {2}gaps from +count\n/)
  t.match(stdout, /\nProfile 'pinned', TCG, \d+ s: worst gap /)
  t.match(stdout, /\n {2}- CPU 1 of the vCPU is not reserved for it|worst gap \d+ us/)
  t.match(stdout, /\nWorst gap with the profile: [\d.]+ times (lower|HIGHER) than best effort\.\n$/)
})

t.test('wrong usage, and a guest that does not run', async (t) => {
  t.match(jitter('--seconds', '1'), {
    status: 64,
    stderr: "qemu-rt: '1' is not a number of seconds from 2 to 86400: --seconds\n",
  })
  t.match(jitter('--compare'), { status: 64, stderr: /^qemu-rt: --compare needs a profile/ })
  if (!needs(t, [QEMU])) return
  t.match(jitter('--accel', 'tcg', '--load', 'exit 3'), {
    status: 64,
    stderr: /^qemu-rt: the load ended by itself \(exit code 3\).*: --load 'exit 3'; /,
  })
  t.match(jitter('--accel', 'tcg', '--profile', 'nope'), {
    status: 69,
    stderr:
      /^qemu-rt: the guest reported nothing \(QEMU ended: exit code 78\): profile 'nope' is not defined/,
  })
})
