import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { apply } from '../../src/change/threads.js'
import { startOf } from '../../src/host/process.js'
import type { Deviation } from '../../src/tune/deviations.js'
import { temporaryDirectory } from '../launcher/launcher.js'

/** Programs in place of taskset and chrt that note what they are given, and how many of them run. */
function standIns(t: Test): string {
  const directory = temporaryDirectory(t)
  for (const name of ['taskset', 'chrt']) {
    const path = join(directory, name)
    writeFileSync(
      path,
      `#!/bin/sh
for last; do :; done
echo "$last ${name}" >>"${directory}/log"
: >"${directory}/runs-$$"
set -- "${directory}"/runs-*
echo $# >>"${directory}/running"
sleep 0.05
rm "${directory}/runs-$$"
[ "$last" != 105 ] || { echo 'taskset: Operation not permitted' >&2; exit 1; }
[ "$last" != 106 ] || { echo 'taskset: No such process' >&2; exit 1; }
`,
    )
    chmodSync(path, 0o755)
  }
  const before = process.env.PATH
  process.env.PATH = `${directory}:${before}`
  t.teardown(() => {
    process.env.PATH = before
  })
  return directory
}

const COUNTS = { lastCpu: 0, ticks: 0, involuntarySwitches: 0 }

function deviation(tid: number): Deviation {
  const setting = { cpus: [1], policy: 'fifo' as const, priority: 1 }
  const thread = { tid, name: 'CPU 0/KVM', cpus: [0], policy: 'other' as const, priority: 0, ...COUNTS }
  return { thread, role: { kind: 'vcpu', vcpu: 0 }, setting, differs: ['cpus', 'policy'] }
}

t.test('few programs run at a time, each thread gets its CPUs before its policy', async (t) => {
  const directory = standIns(t)
  const tids = Array.from({ length: 40 }, (_, index) => 100 + index)
  const refusals = await apply(tids.map(deviation))
  t.match(refusals, [{ deviation: { thread: { tid: 105 } }, aspect: 'cpus', reason: 'EPERM' }])
  t.equal(refusals.length, 1)
  const running = readFileSync(join(directory, 'running'), 'utf8').trim().split('\n').map(Number)
  t.ok(Math.max(...running) <= 8, `${Math.max(...running)} at a time`)
  t.ok(Math.max(...running) > 1, 'and not one after another')
  const log = readFileSync(join(directory, 'log'), 'utf8').trim().split('\n')
  for (const tid of tids) {
    const own = log.filter((line) => line.startsWith(`${tid} `)).map((line) => line.split(' ')[1])
    t.strictSame(own, tid === 105 || tid === 106 ? ['taskset'] : ['taskset', 'chrt'], String(tid))
  }
  t.strictSame(
    readdirSync(directory).filter((name) => name.startsWith('runs-')),
    [],
  )
})

t.test('a thread of another process that has got the number meanwhile is left alone', async (t) => {
  const directory = standIns(t)
  const startTicks = startOf(process.pid) ?? 0
  const startedAt = (startTicks: number): Deviation => {
    const one = deviation(process.pid)
    return { ...one, thread: { ...one.thread, startTicks } }
  }
  t.strictSame(await apply([startedAt(startTicks - 1)]), [])
  t.notOk(existsSync(join(directory, 'log')))
  t.strictSame(await apply([startedAt(startTicks)]), [])
  t.equal(readFileSync(join(directory, 'log'), 'utf8'), `${process.pid} taskset\n${process.pid} chrt\n`)
})
