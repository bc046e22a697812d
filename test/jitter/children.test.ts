import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { startLoad, stop, withChildren } from '../../src/jitter/children.js'

t.test('a child that has ended is not signalled: its number may be another process’s', async (t) => {
  const child = spawn('true')
  await once(child, 'exit')
  const signalled: unknown[] = []
  t.intercept(process, 'kill', { value: (...args: unknown[]) => signalled.push(args) })
  stop(child)
  await withChildren(async ({ add }) => {
    add(child)
  })
  t.strictSame(signalled, [])
})

t.test('what a load has left running ends with its shell', async (t) => {
  const load = startLoad('sleep 100 & exit 3')
  await once(load, 'exit')
  // The group is there until the kernel has ended all of it.
  for (let left = 100; left > 0 && hasGroup(load.pid); left--) {
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  t.notOk(hasGroup(load.pid))
})

function hasGroup(pid = 0): boolean {
  try {
    return process.kill(-pid, 0)
  } catch {
    return false
  }
}
