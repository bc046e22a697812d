import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { apply, COMMANDS } from '../../src/change/threads.js'
import type { SchedPolicy } from '../../src/config/policy.js'
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

t.test(
  'who may not clear reset-on-fork keeps it when a thread is not to be real-time any longer',
  async (t) => {
    const as = (user: number, policy: SchedPolicy) => {
      const { restore } = t.intercept(process, 'geteuid', { value: () => user })
      const priority = policy === 'fifo' ? 1 : null
      const command = COMMANDS.policy({ ...deviation(101), setting: { cpus: null, policy, priority } })
      restore()
      return command.join(' ')
    }
    t.equal(as(0, 'fifo'), 'chrt --reset-on-fork --fifo --pid 1 101')
    t.equal(as(1000, 'fifo'), 'chrt --reset-on-fork --fifo --pid 1 101')
    t.equal(as(0, 'other'), 'chrt --other --pid 0 101')
    for (const policy of ['other', 'batch', 'idle'] as const) {
      t.equal(as(1000, policy), `chrt --reset-on-fork --${policy} --pid 0 101`)
    }
  },
)

t.test('the kernel takes that', { skip: process.getuid?.() !== 0 && 'not root' }, async (t) => {
  const NOBODY = { uid: 65534, gid: 65534 }
  const child = spawn('sleep', ['60'], { ...NOBODY, stdio: 'ignore' })
  t.teardown(() => child.kill('SIGKILL'))
  const { pid = 0 } = child
  const run = (command: string, user = {}) => spawnSync('sh', ['-c', `${command} ${pid}`], user).status
  if (run('chrt --reset-on-fork --fifo --pid 1') !== 0) {
    t.pass('no thread may be real-time here')
    return
  }
  t.equal(run('chrt --other --pid 0', NOBODY), 1, 'which needs CAP_SYS_NICE')
  for (const policy of ['other', 'batch', 'idle']) {
    t.equal(run(`chrt --reset-on-fork --${policy} --pid 0`, NOBODY), 0, policy)
  }
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
