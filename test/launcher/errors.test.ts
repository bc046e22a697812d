import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import {
  EMULATOR_ENTRY,
  launcher,
  launcherWithPlanner,
  plannerForms,
  type Start,
  start,
  temporaryDirectory,
} from './launcher.js'

/** What went wrong: the exit code, one line on stderr, nothing on stdout, and no QEMU. */
async function failure(t: Test, program: string, options: Start) {
  const { code, stdout, stderr, received } = await start(t, program, options)
  t.equal(stdout, '')
  t.equal(received, null, 'QEMU is not started')
  t.match(stderr, /^qemu-rt: [^\n]+\n$/, 'one line')
  return { code, line: stderr.trimEnd() }
}

const ARGS = ['-name', 'guest=x']

t.test("the planner's exit code and its line are the launcher's", async (t) => {
  const entry = launcherWithPlanner(
    t,
    'echo "exec /bin/echo started"; echo "qemu-rt: no such NIC" >&2; exit 69',
  )
  t.same(await failure(t, entry, { args: ARGS }), { code: 69, line: 'qemu-rt: no such NIC' })
})

t.test('a planner that is killed starts nothing, whatever it has printed', async (t) => {
  const entry = launcherWithPlanner(t, 'echo "exec /bin/echo started"; kill -KILL $$')
  const { code, stdout, stderr } = await start(t, entry, { args: ARGS })
  t.same({ code, stdout }, { code: 70, stdout: '' })
  // dash says "Killed" first: libvirt shows the last line.
  t.match(stderr, /^(Killed\n)?qemu-rt: the planner was killed by signal 9, QEMU is not started: [^\n]+\n$/)
})

t.test('a planner for another machine starts nothing', async (t) => {
  const entry = launcherWithPlanner(t, '')
  writeFileSync(join(entry, '../../dist/qemu-rt-planner'), '\x7fELF of another machine\0')
  const { code, stdout, stderr } = await start(t, entry, { args: ARGS })
  t.same({ code, stdout }, { code: 69, stdout: '' })
  t.match(
    stderr,
    /\nqemu-rt: the planner cannot be run here: [^\n]+; install qemu-rt again for this machine\n$/,
  )
})

t.test('a planner that prints nothing starts nothing', async (t) => {
  const { code, line } = await failure(t, launcherWithPlanner(t, ''), { args: ARGS })
  t.equal(code, 70)
  t.match(line, /the planner printed no plan/)
})

t.test('a checkout that was not built says what to do', async (t) => {
  for (const entry of [EMULATOR_ENTRY, 'qemu-rt']) {
    const { code, line } = await failure(t, launcherWithPlanner(t, null, entry), {
      args: ['run', '--', ...ARGS],
    })
    t.equal(code, 69)
    t.match(
      line,
      /^qemu-rt: no planner in .*\/dist; install qemu-rt again, or in a checkout run 'npm run build'$/,
    )
  }
})

t.test('no Node in PATH says what to install', async (t) => {
  const entry = launcherWithPlanner(t, null)
  writeFileSync(join(entry, '../../dist/qemu-rt.mjs'), '')
  // Only what the launcher itself needs.
  const tools = temporaryDirectory(t)
  symlinkSync('/usr/bin/readlink', join(tools, 'readlink'))
  const { code, line } = await failure(t, entry, { args: ARGS, env: { PATH: tools } })
  t.equal(code, 69)
  t.match(line, /^qemu-rt: no runtime for .*qemu-rt\.mjs: .*; install nodejs 20 or newer$/)
})

t.test('what a dry run evaluates gives the exit code', async (t) => {
  const entry = launcherWithPlanner(
    t,
    `case $1 in launch) echo 'qemu_rt_planner report "$qemu_rt_entry" "$@"' ;; report) shift; printf '<%s>' "$@"; exit 3 ;; esac`,
  )
  const { code, stdout } = await start(t, entry, { args: ['a b', ''] })
  t.same({ code, stdout }, { code: 3, stdout: `<${EMULATOR_ENTRY}><a b><>` })
})

t.test("every other command is the planner's, with stdin", async (t) => {
  const entry = launcherWithPlanner(t, `printf '<%s>' "$@"; cat`, 'qemu-rt')
  const options = { stdin: '<domain/>' }
  t.equal(
    (await start(t, entry, { ...options, args: ['nics', 'list'] })).stdout,
    '<cli><nics><list><domain/>',
  )
  t.equal((await start(t, entry, { ...options, args: [] })).stdout, '<cli><domain/>')
  t.equal((await start(t, entry, { ...options, args: ['--help'] })).stdout, '<cli><--help><domain/>')
  t.equal(
    (await start(t, entry, { ...options, args: ['hook', '--help'] })).stdout,
    '<cli><hook><--help><domain/>',
  )
})

t.test("libvirt's hook has a way of its own, whatever the domain is called", async (t) => {
  const entry = launcherWithPlanner(t, `printf '<%s>' "$@"; cat`, 'qemu-rt')
  const args = ['hook', '--help', 'started', 'begin', '-']
  t.equal(
    (await start(t, entry, { args, stdin: '<domain/>' })).stdout,
    '<hook><--help><started><begin><-><domain/>',
  )
})

t.test('the planner sees an empty stdin when it plans', async (t) => {
  const entry = launcherWithPlanner(t, 'cat >&2; echo cat')
  const { stdout, stderr } = await start(t, entry, { args: ARGS, stdin: "QEMU's" })
  t.same({ stdout, stderr }, { stdout: "QEMU's", stderr: '' })
})

t.test('the launcher is found through a link in another directory', async (t) => {
  const entry = launcherWithPlanner(t, 'echo "echo planned by $2"')
  const link = join(temporaryDirectory(t), 'qemu-rt-system-aarch64')
  symlinkSync(entry, link)
  t.equal((await start(t, link, { args: ARGS })).stdout, 'planned by qemu-rt-system-aarch64\n')
})

for (const form of plannerForms()) {
  const fails = async (t: Test, args: string[], config: string | null = null) => {
    const path = join(temporaryDirectory(t), 'qemu-rt.toml')
    if (config !== null) writeFileSync(path, config, { mode: 0o644 })
    const env = { ...form.env, ...(config === null ? {} : { QEMU_RT_CONFIG: path }) }
    return failure(t, launcher(), { args, env })
  }

  t.test(`bad input, ${form.name}`, async (t) => {
    const cases: [string, string[], number, RegExp, string?][] = [
      ['an unknown NIC', ['-device', 'vfio-pci,host=nic:nowhere'], 69, /nowhere/],
      ['a malformed JSON argument', ['-device', '{"driver":'], 65, /-device \(option 1\)/],
      ['a wrong flag', ['--rt-nonsense', '1'], 64, /rt-nonsense/],
      [
        'a missing emulator',
        ['--rt-emulator', '/nowhere/qemu'],
        69,
        /emulator does not exist: \/nowhere\/qemu; install it, or name another QEMU under \[emulators\] or by --emulator \(/,
      ],
      [
        'an unreadable sysroot',
        ['--rt-sysroot', '/nowhere', '--rt-nic', 'a'],
        65,
        /\/nowhere/,
        '\n[nic.a]\nid = "8086:1521"\n',
      ],
      // Run by others than root it is already refused for its owner.
      ['wrong TOML', ARGS, 78, process.getuid?.() === 0 ? /qemu-rt\.toml:2/ : /qemu-rt\.toml/, '\nnot toml'],
      [
        'a memory size that does not parse',
        ['-m', 'lots', '-chardev', 'socket,id=c,path=/x', '-netdev', 'vhost-user,id=n,chardev=c'],
        65,
        /'lots'/,
      ],
    ]
    for (const [name, args, code, line, config] of cases) {
      t.test(name, async (t) => {
        const failed = await fails(t, args, config)
        t.equal(failed.code, code, failed.line)
        t.match(failed.line, line)
      })
    }
  })
}

t.test('a link to the launcher in place of QEMU is not started without end', async (t) => {
  const link = join(temporaryDirectory(t), 'qemu-system-x86_64')
  symlinkSync(launcher('qemu-rt'), link)
  for (const { env } of plannerForms()) {
    for (const args of [ARGS, ['-machine', 'none']]) {
      const { code, line } = await failure(t, launcher(), { args, env: { ...env, QEMU_RT_EMULATOR: link } })
      t.equal(code, 78)
      t.match(line, /^qemu-rt: the emulator is the wrapper itself: .*qemu-system-x86_64; name the real QEMU/)
    }
  }
})
