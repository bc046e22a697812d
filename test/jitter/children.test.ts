import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parseStat, readProc } from '../../src/host/proc.js'
import { type Ending, startLoad, stop, withChildren } from '../../src/jitter/children.js'
import { needs } from '../e2e/needs.js'
import { waitFor } from '../e2e/wait.js'
import { temporaryDirectory } from '../launcher/launcher.js'

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

/** What a child of `withChildren` has written that is ended by an error, once it says that it is ready. */
async function writtenBy(t: Test, script: string, ending?: Ending): Promise<string> {
  const file = join(temporaryDirectory(t), 'said')
  writeFileSync(file, '')
  const work = withChildren(async ({ add }) => {
    const child = add(
      spawn('sh', ['-c', script, 'sh', file], { stdio: ['ignore', 'pipe', 'inherit'], detached: true }),
      ending,
    )
    if (child.stdout !== null) await once(child.stdout, 'data')
    throw new Error('no more')
  })
  await t.rejects(work, { message: 'no more' })
  return readFileSync(file, 'utf8')
}

const TIDY = 'trap \'sleep 0.3; echo tidied >"$1"; exit\' INT; echo ready; while :; do sleep 0.1; done'

t.test('a child that has to tidy up is interrupted and waited for; another is killed', async (t) => {
  t.equal(await writtenBy(t, TIDY, 'interrupt'), 'tidied\n')
  t.equal(await writtenBy(t, TIDY), '')
})

const MODULE = JSON.stringify(new URL('../../src/jitter/children.js', import.meta.url).href)

/** A program that runs `body`, and what it prints first. */
async function program(t: Test, body: string) {
  const text = `
    const { spawn } = await import('node:child_process')
    const { tied, withChildren } = await import(${MODULE})
    await withChildren(async ({ add }) => {
      ${body}
      await new Promise((resolve) => setTimeout(resolve, 60_000))
    })`
  const child = spawn(process.execPath, [...process.execArgv, '--input-type=module', '--eval', text], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const [said] = await once(child.stdout, 'data')
  return { child, said: String(said).trim() }
}

t.test('a signal lets a child tidy up before the program ends', async (t) => {
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGALRM'] as const) {
    const file = join(temporaryDirectory(t), 'said')
    const { child } = await program(
      t,
      `add(spawn('sh', ['-c', ${JSON.stringify(TIDY)}, 'sh', ${JSON.stringify(file)}], { stdio: ['ignore', 'inherit', 'inherit'] }), 'interrupt')`,
    )
    child.kill(signal)
    t.strictSame(await once(child, 'exit'), [130, null], signal)
    t.equal(readFileSync(file, 'utf8'), 'tidied\n', signal)
  }
})

t.test('SIGKILL ends a child that is tied, and has put another program in its place', async (t) => {
  if (!needs(t, ['setpriv'])) return
  const { child, said } = await program(
    t,
    `add(spawn(...tied(['sh', '-c', 'echo $$; exec sleep 60']), { stdio: ['ignore', 'inherit', 'inherit'] }))`,
  )
  const pid = Number(said)
  t.ok(pid > 0 && isRunning(pid))
  child.kill('SIGKILL')
  await waitFor('its end', 10, () => !isRunning(pid))
})

/** A zombie whose new parent does not ask for it has ended, too. */
function isRunning(pid: number): boolean {
  const stat = parseStat(readProc(`/proc/${pid}/stat`) ?? '')
  return stat !== null && stat.state !== 'Z'
}

function hasGroup(pid = 0): boolean {
  try {
    return process.kill(-pid, 0)
  } catch {
    return false
  }
}
