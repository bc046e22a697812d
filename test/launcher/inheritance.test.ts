import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import {
  launcher,
  plannerForms,
  processesWith,
  type Received,
  ROOT,
  STAND_IN,
  type Start,
  start,
  temporaryDirectory,
} from './launcher.js'

/** As libvirt and a person start it: nothing to change, something to change, and no guest. */
const COMMAND_LINES = {
  'that stays as it is': ['-name', 'guest=x,debug-threads=on', '-m', '1G'],
  'that the plan changes': ['-name', 'guest=x', '-m', '1G'],
  'without a guest': ['-machine', 'none', '-S'],
}

/** The descriptors that are open on files beneath a directory: a test runner may leave others. */
function openIn(directory: string, received: Received | null) {
  const all = Object.entries(received?.descriptors ?? {})
  return Object.fromEntries(all.filter(([, target]) => target.startsWith(directory)))
}

for (const form of plannerForms()) {
  for (const [kind, args] of Object.entries(COMMAND_LINES)) {
    const through = (t: Parameters<typeof start>[0], options: Partial<Start> = {}) =>
      start(t, launcher(), { args, ...options, env: { ...form.env, ...options.env } })
    const directly = (t: Parameters<typeof start>[0], options: Partial<Start> = {}) =>
      start(t, STAND_IN, { args, ...options, env: { ...form.env, ...options.env } })

    t.test(`a command line ${kind}, ${form.name}`, async (t) => {
      t.test('the launcher becomes QEMU: same PID, no child, no process left, its exit code', async (t) => {
        const outcome = await through(t, { env: { STANDIN_EXIT: '42', QEMU_RT_TEST_MARK: 'left-behind' } })
        t.equal(outcome.received?.pid, outcome.pid)
        t.equal(outcome.received?.children, '')
        t.equal(outcome.code, 42)
        t.same(processesWith('QEMU_RT_TEST_MARK=left-behind'), [])
      })

      t.test('nothing is printed', async (t) => {
        const { stdout, stderr } = await through(t)
        t.same({ stdout, stderr }, { stdout: '', stderr: '' })
      })

      t.test('descriptors 3 to 40 are open on the same files', async (t) => {
        const directory = temporaryDirectory(t)
        const paths = Array.from({ length: 38 }, (_, index) => join(directory, `descriptor-${index + 3}`))
        const files = paths.map((path) => openSync(path, 'w'))
        const { received } = await through(t, { files })
        for (const file of files) closeSync(file)
        t.same(openIn(directory, received), Object.fromEntries(paths.map((path, index) => [index + 3, path])))
      })

      t.test('gaps between descriptors stay gaps, and nothing of the launcher is open', async (t) => {
        const directory = temporaryDirectory(t)
        const path = join(directory, 'file')
        const prefix = ['bash', '-c', 'exec 5>>"$1" 31>>"$1"; shift; exec "$@"', 'bash', path]
        const { received } = await through(t, { prefix })
        t.same(openIn(directory, received), { 5: path, 31: path })
        t.same(openIn(ROOT, received), {})
      })

      t.test('limits stay', async (t) => {
        const options = { prefix: ['prlimit', '--nofile=1234:4321', '--core=0', '--memlock=65536:131072'] }
        const { received } = await through(t, options)
        t.match(received?.limits, /Max open files +1234 +4321 /)
        t.equal(received?.limits, (await directly(t, options)).received?.limits)
      })

      t.test('ignored and blocked signals stay', async (t) => {
        // Not SIGCHLD: the stand-in's own shell handles it, so that nothing could be seen.
        const options = { prefix: ['env', '--ignore-signal=PIPE,USR1,HUP', '--block-signal=USR2,TERM,WINCH'] }
        const { received } = await through(t, options)
        t.match(received?.signals, { SigBlk: '0000000008004800', SigIgn: '0000000000001201' })
        t.same(received?.signals, (await directly(t, options)).received?.signals)
      })

      t.test('the environment stays, without what shells add', async (t) => {
        const env = {
          EMPTY: '',
          QUOTES: `'"$(x)\\`,
          LINES: 'a\nb\n',
          qemu_rt_profile: 'mine',
          LC_ALL: 'C',
        }
        const { received } = await through(t, { env })
        // Without a guest no planner is asked what to unset: a probe is quicker for it, and none the worse.
        const added = kind === 'without a guest' ? /^(PWD|OLDPWD|SHLVL)=/ : /^$/
        const kept = received?.env.filter((assignment) => !added.test(assignment))
        t.same(kept, (await directly(t, { env })).received?.env)
        t.notMatch(kept?.join('\n'), /^(PWD|OLDPWD|SHLVL)=/m)
      })

      t.test('PWD, OLDPWD and SHLVL stay when they were there', async (t) => {
        const env = { PWD: '/', OLDPWD: '/usr', SHLVL: '3' }
        const { received } = await through(t, { env, cwd: '/' })
        t.match(received?.env, /PWD=\/\b.*/)
        t.same(received?.env, (await directly(t, { env, cwd: '/' })).received?.env)
      })

      t.test('the working directory stays', async (t) => {
        const cwd = temporaryDirectory(t)
        t.equal((await through(t, { cwd })).received?.cwd, cwd)
      })

      t.test('stdin is left to QEMU, every byte of it', async (t) => {
        const stdin = 'first line\nsecond line\nno newline at the end'
        t.equal((await through(t, { stdin })).received?.stdin, stdin)
      })
    })
  }
}

t.test('a variable whose name is no identifier is lost where /bin/sh is dash: its own doing', async (t) => {
  const prefix = ['env', 'WITH.DOT=1']
  const { received } = await start(t, launcher(), { args: ['-machine', 'none'], prefix })
  t.ok(received)
  t.comment(received?.env.includes('WITH.DOT=1') ? 'passed on by this sh' : 'dropped by this sh')
})
