import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { cpus } from 'node:os'
import t from 'tap'
import { takeSnapshots } from '../../../src/jitter/cause/snapshot.js'

const OWN = readdirSync('/proc/self/task').map(Number)

t.test('several threads at one moment: each has its own counts, and sees the others', async (t) => {
  const all = cpus().map((_, cpu) => cpu)
  const subjects = OWN.slice(0, 2).map((tid) => ({ tid, cpus: all }))
  const snapshots = takeSnapshots(process.pid, subjects)
  t.equal(snapshots.length, subjects.length)
  t.equal(new Set(snapshots.map(({ atMs }) => atMs)).size, 1)
  for (const [index, { tid }] of subjects.entries()) {
    const { threads, minorFaults, interrupts } = snapshots[index] ?? {}
    const seen = [...(threads?.values() ?? [])].map((one) => one.tid)
    t.notOk(seen.includes(tid), 'not itself')
    t.ok(
      OWN.filter((one) => one !== tid).every((one) => seen.includes(one)),
      'but those beside it',
    )
    t.type(minorFaults, 'number')
    t.ok((interrupts?.size ?? 0) > 0)
  }
})

t.test('the threads of the host are read once, however many are asked for', async (t) => {
  // Without others, as in a PID namespace of its own, what is asked for is most of the work.
  const others = spawn('sh', ['-c', 'for i in $(seq 80); do sleep 60 & done; echo; wait'], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  t.teardown(() => process.kill(-(others.pid ?? 0), 'SIGKILL'))
  await once(others.stdout, 'data')
  const { length } = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  const [tid = process.pid] = OWN
  const time = (many: number) => {
    const begin = process.cpuUsage()
    takeSnapshots(
      process.pid,
      Array.from({ length: many }, () => ({ tid, cpus: [] })),
    )
    const { user, system } = process.cpuUsage(begin)
    return user + system
  }
  time(1)
  const one = Math.min(...[0, 1, 2].map(() => time(1)))
  const many = Math.min(...[0, 1, 2].map(() => time(16)))
  t.ok(many < 4 * one, `${length} processes: ${one} us of CPU for one, ${many} for sixteen`)
})
