import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import t from 'tap'
import { isSameProcess, startOf } from '../../src/host/process.js'
import { needs } from '../e2e/needs.js'
import { waitFor } from '../e2e/wait.js'
import { temporaryDirectory } from '../launcher/launcher.js'

/** A process whose main thread ends by itself while another one goes on, as any process may (pthread_exit(3)). */
const HEADLESS = `
import ctypes, threading, time
threading.Thread(target=lambda: (print("ready", flush=True), time.sleep(60))).start()
ctypes.CDLL(None).pthread_exit(None)
`

t.test('a process whose main thread has ended has not', async (t) => {
  if (!needs(t, ['python3'])) return
  const program = `${temporaryDirectory(t)}/headless.py`
  writeFileSync(program, HEADLESS)
  const child = spawn('python3', [program], { stdio: ['ignore', 'pipe', 'ignore'] })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  const pid = child.pid ?? 0
  const startTicks = startOf(pid) ?? -1
  t.ok(isSameProcess({ pid, startTicks }))
  await new Promise((resolve) => setTimeout(resolve, 500))
  t.ok(isSameProcess({ pid, startTicks }), 'though it looks like a zombie')
  child.kill('SIGKILL')
  await waitFor('its end', 10, () => !isSameProcess({ pid, startTicks }))
  t.notOk(isSameProcess({ pid, startTicks: startTicks - 1 }), 'nor is a later one of its number')
})
