import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, lchownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { EMPTY_POLICY, loadPolicy } from '../../src/config/load.js'
import { DEFAULT_CONFIG_PATH } from '../../src/config/policy.js'
import { type ExitCode, UserError } from '../../src/errors/user-error.js'
import { launcherForAll, temporaryDirectory } from '../launcher/launcher.js'
import { makeWay, WAYS } from './ways.js'

const VALID = '[host]\nrealtime = "2-3"\n'
const WRONG = '[hots]\n'
const OTHER_USER = 64055
const needsRoot = process.getuid?.() === 0 ? {} : { skip: 'only root can give files away' }

interface Call {
  readonly path: string
  readonly explicit?: boolean
  readonly emulatorMode?: boolean
}

function load({ path, explicit = true, emulatorMode = false }: Call) {
  return loadPolicy({ path, explicit, emulatorMode })
}

async function failure(call: Call): Promise<{ exitCode: ExitCode; message: string } | null> {
  try {
    await load(call)
    return null
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    return { exitCode: error.exitCode, message: error.message }
  }
}

t.test('a file is read and knows its lines', async (t) => {
  const path = join(t.testdir({ 'q.toml': VALID }), 'q.toml')
  const policy = await load({ path })
  t.same(policy.host.realtime, [2, 3])
  t.equal(policy.place(['host', 'realtime']), `${path}:2`)
})

t.test('a missing file is the empty policy at the default place only', async (t) => {
  const path = join(t.testdir({}), 'none', 'q.toml')
  t.equal(await load({ path, explicit: false }), EMPTY_POLICY)
  t.same(await failure({ path }), {
    exitCode: 78,
    message: `the configuration does not exist: ${path}; create it, or name another with --config or QEMU_RT_CONFIG`,
  })
  t.match(await failure({ path, emulatorMode: true }), {
    message: / with --config, --rt-config or QEMU_RT_CONFIG$/,
  })
  t.equal(DEFAULT_CONFIG_PATH, '/etc/qemu-rt/qemu-rt.toml')
})

t.test('a link that leads nowhere is no missing file', async (t) => {
  const path = join(t.testdir({}), 'q.toml')
  symlinkSync('elsewhere.toml', path)
  t.match(await failure({ path, explicit: false }), {
    exitCode: 78,
    message: 'the configuration does not exist',
  })
})

t.test('a directory cannot be the configuration', async (t) => {
  const path = t.testdir({})
  t.same(await failure({ path }), {
    exitCode: 78,
    message: `the configuration cannot be read (it is a directory): ${path}; put a TOML file there`,
  })
})

t.test('a file that is not UTF-8 is refused', async (t) => {
  const path = join(t.testdir({}), 'q.toml')
  writeFileSync(path, Buffer.from([0x23, 0xe9, 0x0a]))
  t.match(await failure({ path }), {
    exitCode: 78,
    message: `the configuration is not UTF-8 text: ${path}; `,
  })
})

t.test('a file that this user may not read is a matter of permission', needsRoot, async (t) => {
  const directory = t.testdir({ 'q.toml': VALID })
  const path = join(directory, 'q.toml')
  chmodSync(path, 0o600)
  chownSync(path, OTHER_USER, OTHER_USER)
  // Root without these cannot read it either. Node of Debian 13 refuses seteuid() to a process that may use io_uring.
  const confined = ['--bounding-set=-dac_override,-dac_read_search', '--inh-caps=-all']
  const run = [launcherForAll(t, 'qemu-rt'), 'run', '--dry-run', '--config', path, '--', '-version']
  const { status, stderr } = spawnSync('setpriv', [...confined, ...run], { encoding: 'utf8' })
  t.equal(status, 77)
  t.match(stderr, /may not read the configuration: .*q\.toml; run as root: chmod a\+r /)
})

/** Who may change what: owner and mode of the file and of its directory, and what emulator mode says to it. */
const OWNERSHIPS: readonly {
  readonly name: string
  readonly file: readonly [owner: number, mode: number]
  readonly directory: readonly [owner: number, mode: number]
  readonly message: ((file: string, directory: string) => string) | null
}[] = [
  { name: "root's alone", file: [0, 0o644], directory: [0, 0o755], message: null },
  {
    name: "another user's file",
    file: [OTHER_USER, 0o644],
    directory: [0, 0o755],
    message: (file) =>
      `others than root can write the configuration: ${file} has owner 64055 and mode 0644; run as root: chown root:root ${file}`,
  },
  {
    name: 'a file that its group can write',
    file: [0, 0o664],
    directory: [0, 0o755],
    message: (file) =>
      `others than root can write the configuration: ${file} has owner 0 and mode 0664; run as root: chmod go-w ${file}`,
  },
  {
    name: "another user's file that everybody can write",
    file: [OTHER_USER, 0o606],
    directory: [0, 0o755],
    message: (file) =>
      `others than root can write the configuration: ${file} has owner 64055 and mode 0606; run as root: chown root:root ${file} && chmod go-w ${file}`,
  },
  {
    name: "another user's directory",
    file: [0, 0o644],
    directory: [OTHER_USER, 0o755],
    message: (_, directory) =>
      `others than root can replace the configuration: ${directory} has owner 64055 and mode 0755; run as root: chown root:root ${directory}`,
  },
  {
    name: 'a directory that everybody can write',
    file: [0, 0o644],
    directory: [0, 0o777],
    message: (_, directory) =>
      `others than root can replace the configuration: ${directory} has owner 0 and mode 0777; run as root: chmod go-w ${directory}`,
  },
  { name: "root's file in a sticky directory", file: [0, 0o644], directory: [0, 0o1777], message: null },
  {
    name: "another user's file in a sticky directory",
    file: [OTHER_USER, 0o644],
    directory: [0, 0o1777],
    message: (file) =>
      `others than root can write the configuration: ${file} has owner 64055 and mode 0644; run as root: chown root:root ${file}`,
  },
  {
    name: "another user's sticky directory",
    file: [0, 0o644],
    directory: [OTHER_USER, 0o1777],
    message: (_, directory) =>
      `others than root can replace the configuration: ${directory} has owner 64055 and mode 1777; run as root: chown root:root ${directory}`,
  },
]

for (const { name, file, directory, message } of OWNERSHIPS) {
  t.test(`emulator mode ${message === null ? 'takes' : 'refuses'} ${name}`, needsRoot, async (t) => {
    const base = t.testdir({ etc: { 'q.toml': VALID } })
    const etc = join(base, 'etc')
    const path = join(etc, 'q.toml')
    chownSync(path, file[0], 0)
    chmodSync(path, file[1])
    chownSync(etc, directory[0], 0)
    chmodSync(etc, directory[1])
    t.same(
      await failure({ path, emulatorMode: true }),
      message && { exitCode: 78, message: message(path, etc) },
    )
    t.equal(await failure({ path, emulatorMode: false }), null)
  })
}

t.test('emulator mode looks at every directory above', needsRoot, async (t) => {
  const base = t.testdir({ a: { b: { c: { 'q.toml': VALID } } } })
  const path = join(base, 'a/b/c/q.toml')
  t.equal(await failure({ path, emulatorMode: true }), null)
  chmodSync(join(base, 'a'), 0o777)
  t.match(await failure({ path, emulatorMode: true }), {
    message: `replace the configuration: ${join(base, 'a')} has`,
  })
  chmodSync(join(base, 'a'), 0o755)
  chownSync(join(base, 'a/b'), OTHER_USER, 0)
  t.match(await failure({ path, emulatorMode: true }), {
    message: `replace the configuration: ${join(base, 'a/b')} has`,
  })
})

t.test('a pipe or a device is never opened, nor a file without end read', { timeout: 10_000 }, async (t) => {
  const directory = t.testdir({})
  const pipe = join(directory, 'pipe')
  execFileSync('mkfifo', [pipe])
  for (const path of [pipe, '/dev/zero', '/dev/tty']) {
    for (const emulatorMode of [true, false]) {
      t.same(await failure({ path, emulatorMode }), {
        exitCode: 78,
        message: `the configuration cannot be read (it is not a regular file): ${path}; put a TOML file there`,
      })
    }
  }
  const long = join(directory, 'long')
  writeFileSync(long, '#'.repeat(1024 * 1024 + 1))
  t.match(await failure({ path: long }), { exitCode: 78, message: '(it is longer than 1 MiB)' })
  writeFileSync(long, '#'.repeat(1024 * 1024))
  t.equal(await failure({ path: long }), null)
})

t.test('emulator mode refuses an unsafe file before it looks into it', needsRoot, async (t) => {
  const path = join(t.testdir({ 'q.toml': WRONG }), 'q.toml')
  chmodSync(path, 0o666)
  t.match(await failure({ path, emulatorMode: true }), { message: 'others than root can write' })
  t.match(await failure({ path, emulatorMode: false }), { message: "unknown key 'hots'" })
})

t.test('emulator mode looks at both ends of a link', needsRoot, async (t) => {
  const base = t.testdir({ safe: { 'q.toml': VALID }, open: {} })
  const [safe, open] = [join(base, 'safe'), join(base, 'open')]
  chmodSync(safe, 0o755)
  const link = join(open, 'q.toml')
  symlinkSync('../safe/q.toml', link)
  chmodSync(open, 0o777)
  t.match(await failure({ path: link, emulatorMode: true }), {
    message: `replace the configuration: ${open} has`,
  })
  chmodSync(open, 0o755)
  t.equal(await failure({ path: link, emulatorMode: true }), null)
  chmodSync(safe, 0o777)
  t.match(await failure({ path: link, emulatorMode: true }), {
    message: `replace the configuration: ${safe} has`,
  })
})

t.test("emulator mode refuses another user's link in a sticky directory", needsRoot, async (t) => {
  const base = t.testdir({ safe: { 'q.toml': VALID } })
  const tmp = join(base, 'tmp')
  const link = join(tmp, 'q.toml')
  mkdirSync(tmp)
  chmodSync(tmp, 0o1777)
  chmodSync(join(base, 'safe'), 0o755)
  symlinkSync('../safe/q.toml', link)
  lchownSync(link, OTHER_USER, OTHER_USER)
  const message = `others than root can replace the configuration: ${link} has owner 64055 and mode 0777; run as root: chown -h root:root ${link}`
  t.same(await failure({ path: link, emulatorMode: true }), { exitCode: 78, message })
})

t.test('emulator mode looks at every link and directory on the way', needsRoot, async (t) => {
  for (const way of WAYS) {
    const path = join(makeWay(way, temporaryDirectory(t)), 'q.toml')
    writeFileSync(path, VALID, { mode: 0o644 })
    const found = await failure({ path, emulatorMode: true })
    if (way.isRoots) t.equal(found, null, way.name)
    else t.match(found, { message: /^others than root can replace the configuration: / }, way.name)
  }
})
