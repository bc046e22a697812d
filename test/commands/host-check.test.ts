import { fileURLToPath } from 'node:url'
import t from 'tap'
import { PATH } from '../launcher/launcher.js'
import { qemuRt } from '../launcher/run.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const check = (host: string, ...args: string[]) =>
  qemuRt(
    [
      ...['host', 'check', '--sysroot', `${root}fixtures/hosts/check-${host}`],
      ...['--config', `${root}fixtures/checks/${host}/qemu-rt.toml`, ...args],
    ],
    { env: { PATH, TERM: 'xterm' } },
  )

t.test('the exit code is 0 without a failure, 69 with one, and --strict counts warnings', async (t) => {
  t.match(check('ready'), { status: 0, stderr: '' })
  t.match(check('ready', '--strict'), { status: 0 })
  t.match(check('tuned'), { status: 0 })
  t.match(check('tuned', '--strict'), { status: 69, stderr: '' })
  t.match(check('unprepared'), { status: 69, stderr: '', stdout: /\n\d+ checks: [1-9]\d* FAIL, .* PASS\n$/ })
})

t.test('a line has id, what is looked for, result, what is there and the fix', async (t) => {
  const { stdout } = check('unprepared')
  t.match(
    stdout,
    /^boot\.skew-tick: Checking for ticks of CPUs that do not collide +: WARN \(.*; boot with skew_tick=1\)$/m,
  )
  t.notOk(stdout.includes('\x1b'), 'no colour for a pipe')
})

t.test('JSON has the same results', async (t) => {
  const { stdout, status } = check('unprepared', '--format', 'json')
  const json = JSON.parse(stdout)
  t.equal(status, 69)
  t.match(json, { version: 1, cpus: { realtime: '2-3', housekeeping: '0-1' } })
  t.match(
    json.checks.find(({ id }: { id: string }) => id === 'cpu.isolated'),
    {
      group: 'isolation',
      severity: 'fail',
      result: 'fail',
      found: 'CPUs 2-3 not isolated',
      fix: /isolcpus=/,
      fixedBy: 'command-line',
    },
  )
  const total = Object.values<number>(json.summary).reduce((sum, one) => sum + one, 0)
  t.equal(total, json.checks.length)
})

t.test('one profile alone counts when it is named', async (t) => {
  t.match(check('unprepared', '--profile', 'rt').stdout, /memory\.hugepages.*FAIL/)
  t.match(check('unprepared', '--profile', 'tr'), {
    status: 78,
    stdout: '',
    stderr: /'tr' is not defined: .*did you mean/,
  })
})

t.test('errors are one line with the exit code', async (t) => {
  const run = (...args: string[]) => qemuRt(['host', ...args])
  t.match(run('check', '--sysroot', '/does/not/exist'), { status: 65, stdout: '', stderr: /^qemu-rt: .*\n$/ })
  t.match(run('check', '--config', '/does/not/exist'), { status: 78, stdout: '', stderr: /^qemu-rt: .*\n$/ })
  t.match(run('check', '--format', 'xml'), { status: 64, stdout: '', stderr: /^qemu-rt: .*\n$/ })
  t.match(run('chek'), {
    status: 64,
    stdout: '',
    stderr: /^qemu-rt: unknown command 'chek'; did you mean check\?\n$/,
  })
})

t.test('a host that an earlier version captured is judged by what it has', async (t) => {
  const { status, stdout } = qemuRt([
    ...['host', 'check', '--sysroot', `${root}fixtures/hosts/real-time`],
    ...['--config', `${root}examples/real-time.toml`],
  ])
  t.equal(status, 69)
  t.match(
    stdout,
    /^\d+ checks : NOT KNOWN \(the host was captured without it; .*\n( {2}.*\n)* .*isolation\.kernel-threads/m,
  )
  t.match(stdout, /^sched\.rt-throttling: .* PASS$/m)
})
