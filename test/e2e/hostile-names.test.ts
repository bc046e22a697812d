import { spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parseCommandText } from '../../src/argv/command-text.js'
import { processId } from '../../src/record/process-id.js'
import { removeRootsRecord, writeRootsRecord } from '../../src/record/root/records.js'
import { NEW_VM, type VmRecord } from '../../src/record/vm.js'
import { readThreads } from '../../src/tune/threads.js'
import { launcher, PATH, plannerForms, ROOT, temporaryDirectory } from '../launcher/launcher.js'
import { runSync } from '../launcher/run.js'
import { stopChild } from './launch.js'
import { needs } from './needs.js'
import { waitFor } from './wait.js'

/** What a terminal obeys (a sequence, a title, C1, the direction of writing), what ends a comment, and quotes. */
const NAME = `evil\x1b[2J\x1b]0;title\x07\u009b2J\u202egnp\u2028'"\n$(touch ran)\n`

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const OBEYED = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f]/

const run = (
  t: Test,
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
) => {
  const cwd = temporaryDirectory(t)
  const { status, stdout, stderr } = runSync([program, ...args], { env: { PATH, ...env }, cwd })
  t.notMatch(stdout, OBEYED)
  t.notMatch(stderr, OBEYED)
  t.notMatch(stdout, /^\$\(touch ran\)/m)
  t.notMatch(stderr, /^\$\(touch ran\)/m)
  t.notOk(existsSync(join(cwd, 'ran')))
  return { status, stdout, stderr }
}

for (const form of plannerForms()) {
  t.test(`dry runs in every format, ${form.name}`, async (t) => {
    const args = ['-name', `guest=${NAME}`, '-append', NAME]
    const dry = (format: string) =>
      run(
        t,
        launcher('qemu-rt'),
        ['run', '--dry-run', '--emulator', '/bin/true', '--format', format, '--', ...args],
        form.env,
      )
    for (const format of ['text', 'diff', 'args', 'json']) t.equal(dry(format).status, 0, format)
    const planned = ['-name', `guest=${NAME},debug-threads=on`, '-append', NAME]
    t.strictSame(JSON.parse(dry('json').stdout).argv, planned)
    t.strictSame(parseCommandText(dry('args').stdout)?.args, planned)
    const printed = dry('args').stdout.replace('/bin/true', "printf '%s\\0'")
    t.equal(runSync(['bash', '-c', printed]).stdout, `${planned.join('\0')}\0`)
  })

  t.test(`errors of a launch are one line, ${form.name}`, async (t) => {
    const cases = [
      ['--profile', NAME],
      ['--nic', NAME],
      ['--emulator', `/nowhere/${NAME}`],
      ['--sysroot', NAME],
      ['--config', NAME],
      [`--${NAME}`],
    ]
    for (const options of cases) {
      const { status, stdout, stderr } = run(
        t,
        launcher('qemu-rt'),
        ['run', ...options, '--', '-name', NAME],
        form.env,
      )
      t.ok(status !== null && status >= 64 && status <= 78, `${options[0]?.slice(0, 6)}: ${status}`)
      t.equal(stdout, '')
      t.match(stderr, /^qemu-rt: [^\n]+\n$/)
    }
    const others = [
      ['nics', 'show', NAME],
      ['tune', '--domain', NAME],
      ['tune', '--pid', NAME],
      ['status', NAME],
      [NAME],
    ]
    for (const args of others) {
      const { status, stderr } = run(t, launcher('qemu-rt'), args, form.env)
      t.ok(status !== null && status >= 64 && status <= 78, `${args[0]?.slice(0, 4)}: ${status}`)
      t.match(stderr, /^qemu-rt: [^\n]+\n$/)
    }
  })

  t.test(`the launcher's own errors, ${form.name}`, async (t) => {
    for (const args of [['-version'], ['-machine', 'none']]) {
      const { status, stderr } = run(t, launcher(), args, {
        ...form.env,
        QEMU_RT_EMULATOR: `/nowhere/${NAME}`,
      })
      t.equal(status, 69)
      t.match(stderr, /^qemu-rt: no emulator: \/nowhere\/evil[^\n]+\n$/)
    }
  })
}

/** A process that root has a record of, and threads with the names of QEMU's. */
async function fakeQemu(t: Test): Promise<number> {
  const directory = temporaryDirectory(t)
  const program = join(directory, 'qemu-system-x86_64')
  copyFileSync('/usr/bin/sleep', program)
  const setting = { cpus: [0], policy: null, priority: null }
  const record: VmRecord = {
    ...NEW_VM,
    id: `hostile-${process.pid}`,
    guest: { name: NAME, uuid: null },
    profile: NAME,
    strict: false,
    nics: [],
    lease: null,
    threads: {
      vcpus: [],
      emulator: { ...setting, policy: 'batch' },
      iothreads: [{ id: NAME, ...setting }],
      workers: null,
      vhost: null,
    },
    vcpusAtStart: 1,
    startsPaused: false,
    daemonizes: false,
  }
  // sleep(1) adds its arguments up, so the name cannot be among them: bash gives it another argv[0].
  const child = spawn(
    'bash',
    [
      '-c',
      'exec -a "$1" "$2" -c "while :; do sleep 1; done" x -name "$3"',
      'bash',
      program,
      '/usr/bin/bash',
      `guest=${NAME},debug-threads=on`,
    ],
    { stdio: 'ignore', env: { PATH } },
  )
  t.teardown(() => stopChild(child))
  const pid = child.pid ?? 0
  await waitFor('the process', 10, () => (readThreads(pid) ?? []).length > 0)
  writeRootsRecord('/', { ...record, process: processId(pid) })
  t.teardown(() => removeRootsRecord('/', record))
  return pid
}

t.test('tune and status', async (t) => {
  if (process.getuid?.() !== 0) {
    t.pass('this needs root', { skip: 'this needs root' })
    return
  }
  if (!needs(t, ['taskset', 'chrt', 'bash'])) return
  const pid = await fakeQemu(t)
  const sets = ['--set', 'emulator=0:batch']
  const dry = run(t, launcher('qemu-rt'), ['tune', '--pid', String(pid), ...sets, '--dry-run'])
  t.equal(dry.status, 0, dry.stderr)
  t.match(dry.stdout, /^# .*evil\\x1b\[2J/)
  for (const line of dry.stdout.trim().split('\n')) t.match(line, /^(#|taskset|chrt) /)
  const set = run(t, launcher('qemu-rt'), ['tune', '--pid', String(pid), ...sets])
  t.equal(set.status, 0, set.stderr)
  t.match(set.stdout, /evil\\x1b/)
  const known = run(t, launcher('qemu-rt'), ['tune', '--domain', 'nobody-has-this-name'])
  t.match(known, { status: 69, stderr: /^qemu-rt: [^\n]+\n$/ })
  for (const format of ['text', 'json']) {
    const { status, stdout } = run(t, launcher('qemu-rt'), ['status', '--format', format])
    t.equal(status, 0)
    t.match(stdout, /evil\\(x|u00)1b/)
  }
})

t.test('names of interfaces and altnames', async (t) => {
  const sysroot = join(temporaryDirectory(t), 'host')
  runSync(['cp', '-r', join(ROOT, 'fixtures/hosts/four-nics'), sysroot])
  const saved = join(sysroot, 'var/lib/qemu-rt')
  mkdirSync(saved, { recursive: true })
  // The kernel takes any byte but '/', ':' and blanks in a name (net/core/dev.c, dev_valid_name).
  const name = 'e\x1b[2J\u202e\u009b'
  const net = join(sysroot, 'sys/bus/pci/devices/0000:03:00.0/net')
  runSync(['sh', '-c', 'for old in "$1"/*; do mv "$old" "$1/$2"; done', 'sh', net, name])
  writeFileSync(join(saved, 'odd'), '')
  for (const args of [
    ['nics', 'list'],
    ['nics', 'list', '--format', 'json'],
    ['nics', 'show', 'nobody'],
    ['nics', 'show', name],
  ]) {
    run(t, launcher('qemu-rt'), [...args, '--sysroot', sysroot])
  }
})
