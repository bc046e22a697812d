import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { PATH, temporaryDirectory } from '../launcher/launcher.js'
import { qemuRt } from '../launcher/run.js'
import { QEMU } from './launch.js'
import { needs } from './needs.js'

const jitter = (...args: string[]) =>
  qemuRt(['jitter', '--accel', 'tcg', ...args], { env: { PATH, QEMU_RT_EMULATOR: QEMU }, timeout: 120_000 })

t.test(
  'a busy process on the same CPU is the first cause, by its name; the host is measured there',
  async (t) => {
    if (!needs(t, [QEMU, 'taskset', 'chrt', 'flock', 'oslat'])) return
    if (process.getuid?.() !== 0 || cpus().length < 2) {
      t.pass('this needs root and two CPUs', { skip: 'this needs root and two CPUs' })
      return
    }
    const directory = temporaryDirectory(t)
    const config = join(directory, 'qemu-rt.toml')
    // Best effort, so that it cannot disturb the other tests.
    writeFileSync(config, '[profile.pinned]\nvcpus = { cpus = "1" }\nemulator = { cpus = "0" }\n')
    const busy = join(directory, 'busybody')
    writeFileSync(busy, '#!/bin/sh\nwhile :; do :; done\n', { mode: 0o755 })
    const { status, stdout, stderr } = jitter(
      ...['--seconds', '2', '--floor', '2', '--config', config, '--profile', 'pinned', '--format', 'json'],
      ...['--load', `exec taskset -c 1 ${busy}`],
    )
    t.equal(status, 0, stderr)
    const [{ causes, floor, worstMicroseconds }] = JSON.parse(stdout).runs
    const [report] = causes
    t.match(report, { vcpu: 0, cpus: '1', worstMicroseconds })
    const [first] = report.causes
    t.match(first, { id: 'waiting', verdict: 'can' })
    t.ok(first.count > 10, `taken off its CPU ${first.count} times`)
    // Half of the time, if nothing else ran there.
    t.ok(first.microseconds > 100_000, `waited ${first.microseconds} us`)
    const neighbour = first.threads.find(({ name }: { name: string }) => name === 'busybody')
    t.match(neighbour, { isBound: true }, first.text)
    t.ok(neighbour?.microseconds > 100_000, `it ran ${neighbour?.microseconds} us`)
    t.notOk(
      report.causes.some(({ id }: { id: string }) => id === 'exit'),
      'without KVM there are no exits',
    )
    t.match(floor, { seconds: 2, cpu: 1, policy: 'other', priority: 0, host: { tool: 'oslat' } })
    t.ok(Math.abs(floor.ratio - worstMicroseconds / floor.host.worstMicroseconds) < 1e-6, `${floor.ratio}`)
  },
)

t.test('without a floor; and a floor that is none', async (t) => {
  t.match(jitter('--floor', 'soon'), {
    status: 64,
    stderr:
      "qemu-rt: 'soon' is neither auto, none nor from 2 to 86400: --floor; write a number of seconds, such as --floor 10, or none\n",
  })
  if (!needs(t, [QEMU])) return
  const { status, stdout, stderr } = jitter('--seconds', '2', '--floor', 'none')
  t.equal(status, 0, stderr)
  t.notMatch(stdout, /host without a VM|hwnoise/)
  t.match(stdout, /\n {2}what can explain the worst of vCPU 0, /)
})
