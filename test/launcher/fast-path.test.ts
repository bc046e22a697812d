import { chmodSync, chownSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import t, { type Test } from 'tap'
import { OPTIONS } from '../../src/argv/options.js'
import { makeWay, WAYS } from '../config/ways.js'
import {
  EMULATOR_ENTRY,
  launcher,
  launcherWithPlanner,
  STAND_IN,
  type Start,
  start,
  temporaryDirectory,
} from './launcher.js'

/** Starts a launcher whose planner only says that it was asked. */
async function ask(t: Test, args: readonly string[], options: Partial<Start> = {}) {
  const entry = launcherWithPlanner(t, 'echo "echo planned"')
  const { code, stdout, received } = await start(t, entry, { args, ...options })
  if (received !== null) t.same(received.args.map(String), args, 'QEMU gets the arguments as they were')
  return { code, asked: stdout === 'planned\n', started: received !== null }
}

const FAST = { code: 0, asked: false, started: true }
const PLANNED = { code: 0, asked: true, started: false }

const WITHOUT_GUEST = [
  // libvirt's capability probe.
  [
    '-S',
    '-no-user-config',
    '-nodefaults',
    '-nographic',
    '-machine',
    'none,accel=kvm:tcg',
    '-qmp',
    'unix:/x',
    '-daemonize',
  ],
  ['-M', 'none'],
  ['--machine', 'none'],
  ['-machine', 'accel=tcg,type=none'],
  ['-machine', 'q35', '-M', 'none', '-machine', 'accel=tcg'],
  ['-machine', 'help'],
  ['-machine', 'type=?'],
  ['-machine', 'pc,help'],
  ['-version'],
  ['--version'],
  ['-m', '1G', '-help'],
  ['-h'],
  ['-device', 'help'],
  ['-device', '?'],
  ['-device', 'virtio-net-pci,help'],
  ['--device', 'virtio-net-pci,help'],
  ['-object', 'memory-backend-ram,id=a,help'],
  ['-cpu', 'help'],
  ['-cpu', 'qemu64', '-cpu', '?'],
  ['-vga', 'help'],
  ['disk.img', '-accel', 'help'],
  ['-machine', 'help', '-readconfig', 'f'],
]

const WITH_GUEST = [
  [],
  ['disk.img'],
  ['help'],
  ['-machine', 'q35'],
  ['-machine', 'none', '-machine', 'q35'],
  ['-machine', 'none,type=q35'],
  ['-machine', 'accel=tcg'],
  ['-machine', 'none,x=a,,b'],
  ['-append', '-version'],
  ['-append', '-machine', 'none'],
  ['-append', 'help'],
  ['-name', 'help'],
  // With these QEMU starts a guest.
  ['-global', 'e1000.x=y,help'],
  ['-global', 'e1000.x=?'],
  ['-accel', 'tcg,help'],
  ['-nic', 'none,help'],
  ['-cpu', 'help', '-cpu', 'qemu64'],
  ['-d', 'help', '-m', '1G', '--d', 'int'],
  ['-vga', '?', '-vga', 'none'],
  ['-name', 'guest=x,help'],
  ['-device', 'x,serial=a,,help'],
  ['-device', '{"driver":"x","serial":",help,"}'],
  ['-device', 'x,serial=help'],
  ['-Version'],
  ['--rt-nic', 'a', '-version'],
  ['-version', '-rt-profile=p'],
  // The file's machine type would count.
  ['-machine', 'none', '-readconfig', 'f'],
  ['-machine', 'none', '--dry-run'],
  ['-machine', 'none', '--rt-dry-run'],
]

t.test('an invocation without a guest becomes QEMU at once', async (t) => {
  for (const args of WITHOUT_GUEST) t.match(await ask(t, args), FAST, args.join(' '))
})

t.test('an invocation with a guest asks the planner', async (t) => {
  for (const args of WITH_GUEST) t.match(await ask(t, args), PLANNED, args.join(' '))
})

t.test('QEMU_RT_DRY_RUN is for the planner, whatever is asked', async (t) => {
  t.match(await ask(t, ['-machine', 'none'], { env: { QEMU_RT_DRY_RUN: '1' } }), PLANNED)
  t.match(await ask(t, ['-machine', 'none'], { env: { QEMU_RT_DRY_RUN: 'no' } }), FAST)
})

t.test(
  'the build has put the options without an argument into the launcher, as the option table has them',
  async (t) => {
    const known = patternsAfter('# The other options without an argument')
    const table = OPTIONS.filter(({ takesArgument }) => !takesArgument).map(({ name }) => `-${name}`)
    t.same(known.concat('-h', '-help', '-version').sort(), table.sort())
  },
)

t.test('and the options that print help', async (t) => {
  const known = patternsAfter('qemu_rt_asks_for_help() {')
  const table = OPTIONS.filter(({ help }) => help === true).map(({ name }) => `-${name}`)
  t.same(known.concat('-M', '-machine').sort(), table.sort())
  t.notMatch(readFileSync(launcher(), 'utf8'), /@[a-z-]+@/, 'nothing is left to fill in')
})

/** The words of the first case pattern after a text in the launcher. */
function patternsAfter(mark: string): string[] {
  const [, after = ''] = readFileSync(launcher(), 'utf8').split(mark)
  return [...(/^ +(-[^)]*)\)/m.exec(after)?.[1] ?? '').matchAll(/-[\w-]+/g)].map(String)
}

const CONFIGURED = `
[host]
x86_64 = "/bin/false"
[emulators]   # the real ones
aarch64 = "/bin/false"
  x86_64 = "${STAND_IN}" # patched
[nic.x86_64]
x86_64 = "/bin/false"
`

t.test('the emulator is configured under [emulators], also by hand and with oddities', async (t) => {
  for (const text of [
    CONFIGURED,
    CONFIGURED.replaceAll('"', "'"),
    CONFIGURED.replaceAll('\n', '\r\n'),
    CONFIGURED.replace('  x86_64 =', '\t"x86_64"='),
    `[emulators]\nx86_64="${STAND_IN}"`,
    `this is = = not [TOML\n${CONFIGURED}`,
  ]) {
    t.match(await askConfigured(t, text), FAST, text)
  }
})

t.test('what cannot be understood in the configuration is passed over', { skip: notRoot() }, async (t) => {
  for (const text of [
    '',
    '[emulators',
    '[emulators]\nx86_64 =',
    '[emulators]\nx86_64 = "relative"',
    '\0\xff[[[',
  ]) {
    const { stderr, code } = await startConfigured(t, text, 'qemu-rt-system-none')
    t.match(stderr, /^qemu-rt: no emulator: \/usr\/bin\/qemu-system-none; [^\n]+\n$/, JSON.stringify(text))
    t.equal(code, 69)
  }
})

t.test(
  'a configuration that others can write or exchange chooses no emulator',
  { skip: notRoot() },
  async (t) => {
    for (const [file, directory] of [
      [0o666, 0o755],
      [0o664, 0o755],
      [0o602, 0o755],
      [0o644, 0o775],
      [0o644, 0o777],
    ] as const) {
      const { code, received } = await startOwned(t, { file, directory })
      t.same(
        { code, received },
        { code: 69, received: null },
        `${file.toString(8)} in ${directory.toString(8)}`,
      )
    }
    t.equal(
      (await startOwned(t, { file: 0o644, directory: 0o755, owner: 65534 })).received,
      null,
      "somebody else's",
    )
  },
)

t.test(
  "root's configuration chooses the emulator, in a sticky directory too",
  { skip: notRoot() },
  async (t) => {
    t.ok((await startOwned(t, { file: 0o644, directory: 0o755 })).received)
    t.ok((await startOwned(t, { file: 0o640, directory: 0o1777 })).received)
  },
)

t.test('a link is followed to the name that it has, newlines and all', { skip: notRoot() }, async (t) => {
  const parent = temporaryDirectory(t)
  const [config, theirs] = [join(parent, 'link.toml'), join(parent, 'evil\n')]
  for (const file of [join(parent, 'evil'), theirs]) {
    writeFileSync(file, `[emulators]\nnone = "${STAND_IN}"`)
    chmodSync(file, 0o644)
  }
  symlinkSync('evil\n', config)
  const env = { QEMU_RT_EMULATOR: '', QEMU_RT_CONFIG: config }
  chownSync(theirs, 65534, 0)
  const entry = launcherWithPlanner(t, null, 'qemu-rt-system-none')
  const { received } = await start(t, entry, { args: ['-version'], env })
  t.equal(received, null, "somebody else's, beside a file of root's without the newline")
})

function startOwned(
  t: Test,
  { file, directory, owner = 0 }: { file: number; directory: number; owner?: number },
) {
  const parent = temporaryDirectory(t)
  const config = join(parent, 'qemu-rt.toml')
  writeFileSync(config, `[emulators]\nnone = "${STAND_IN}"`)
  chownSync(config, owner, 0)
  chmodSync(config, file)
  chmodSync(parent, directory)
  const env = { QEMU_RT_EMULATOR: '', QEMU_RT_CONFIG: config }
  return start(t, launcherWithPlanner(t, null, 'qemu-rt-system-none'), { args: ['-version'], env })
}

t.test('a directory further up that others can write is enough to refuse', { skip: notRoot() }, async (t) => {
  const top = temporaryDirectory(t)
  const config = join(top, 'a/b/qemu-rt.toml')
  mkdirSync(join(top, 'a/b'), { recursive: true, mode: 0o755 })
  writeFileSync(config, `[emulators]\nnone = "${STAND_IN}"`, { mode: 0o644 })
  const env = { QEMU_RT_EMULATOR: '', QEMU_RT_CONFIG: config }
  const started = async () =>
    (await start(t, launcherWithPlanner(t, null, 'qemu-rt-system-none'), { args: ['-version'], env }))
      .received
  t.ok(await started())
  chmodSync(join(top, 'a'), 0o777)
  t.equal(await started(), null)
})

t.test('every link and directory on the way counts, in each shell', { skip: notRoot() }, async (t) => {
  const entry = launcherWithPlanner(t, null, 'qemu-rt-system-none')
  for (const way of WAYS) {
    const directory = makeWay(way, temporaryDirectory(t))
    const config = join(directory, 'qemu-rt.toml')
    writeFileSync(config, `[emulators]\nnone = "${STAND_IN}"`, { mode: 0o644 })
    for (const prefix of [['dash'], ['bash', '--posix'], ['busybox', 'sh']]) {
      for (const path of [config, relative('/', config), `${directory}//./qemu-rt.toml`]) {
        const env = { QEMU_RT_EMULATOR: '', QEMU_RT_CONFIG: path }
        const { received } = await start(t, entry, { prefix, args: ['-version'], env, cwd: '/' })
        t.equal(received !== null, way.isRoots, `${way.name}, ${prefix[0]}: ${path}`)
      }
    }
  }
})

t.test('QEMU_RT_EMULATOR beats the configuration', async (t) => {
  const config = join(temporaryDirectory(t), 'qemu-rt.toml')
  writeFileSync(config, '[emulators]\nx86_64 = "/bin/false"')
  t.match(await ask(t, ['-version'], { env: { QEMU_RT_CONFIG: config } }), FAST)
})

t.test('a missing emulator is one line that names it', async (t) => {
  const { code, stderr, received } = await start(t, launcher(), {
    args: ['-version'],
    env: { QEMU_RT_EMULATOR: '/nowhere/qemu' },
  })
  t.equal(code, 69)
  t.match(stderr, /^qemu-rt: no emulator: \/nowhere\/qemu; [^\n]+\n$/)
  t.equal(received, null)
})

function notRoot(): string | false {
  return process.getuid?.() === 0 ? false : "a configuration counts only when it is root's"
}

async function askConfigured(t: Test, text: string) {
  if (notRoot()) return FAST
  const { code, received, stdout } = await startConfigured(t, text, EMULATOR_ENTRY)
  return { code, asked: stdout !== '', started: received !== null }
}

function startConfigured(t: Test, text: string, entry: string) {
  const config = join(temporaryDirectory(t), 'qemu-rt.toml')
  writeFileSync(config, text, { encoding: 'latin1', mode: 0o644 })
  return start(t, launcherWithPlanner(t, null, entry), {
    args: ['-version'],
    env: { QEMU_RT_EMULATOR: '', QEMU_RT_CONFIG: config },
  })
}
