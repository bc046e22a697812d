import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { lockNameOf, readLocks } from '../../src/record/locks-list.js'
import { waitFor } from '../e2e/wait.js'

t.test('the list has who holds a lock, and not who waits for it', async (t) => {
  const path = join(t.testdir(), 'lock')
  writeFileSync(path, '')
  const flock = () => {
    const child = spawn('flock', [path, 'cat'], { stdio: ['pipe', 'ignore', 'inherit'] })
    t.teardown(() => child.stdin.end())
    return child
  }
  const holders = () => readLocks().filter(({ name }) => name === lockNameOf(path))
  const holder = flock()
  await waitFor('the lock to be held', 10, () => holders().length > 0)
  const next = flock()
  await waitFor('another to wait for it', 10, () => isBlocked(next.pid ?? 0))
  t.strictSame(
    holders().map(({ pid }) => pid),
    [holder.pid],
  )
  holder.stdin.end()
  await waitFor('the other to have it', 10, () => holders()[0]?.pid === next.pid)
  t.equal(holders().length, 1)
})

function isBlocked(pid: number): boolean {
  return readFileSync('/proc/locks', 'latin1')
    .split('\n')
    .some((line) => line.includes('->') && line.includes(` ${pid} `))
}
