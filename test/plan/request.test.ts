import t from 'tap'
import { renderWords } from '../../src/argv/command-line.js'
import { readRequest } from '../../src/plan/request.js'

const read = (args: string[], env: Record<string, string> = {}, entry = 'qemu-rt-system-x86_64') =>
  readRequest({ entry, args, env, hostArch: 'x64' })
const words = (request: ReturnType<typeof read>) =>
  renderWords(request.line).map(({ text, position }) => [text, position])

t.test('without flags the command line is passed on and everything has its default', async (t) => {
  const request = read(['-S', '-name', 'guest=a', '-uuid', 'u'])
  t.strictSame(words(request), [
    ['-S', 1],
    ['-name', 2],
    ['guest=a', 3],
    ['-uuid', 4],
    ['u', 5],
  ])
  t.match(request, {
    entry: 'emulator',
    config: { path: '/etc/qemu-rt/qemu-rt.toml', explicit: false },
    profile: null,
    nics: [],
    emulator: null,
    defaultEmulator: '/usr/bin/qemu-system-x86_64',
    sysroot: '/',
    dryRun: false,
    format: 'text',
    guest: { name: 'a', uuid: 'u' },
  })
})

t.test('own flags may stand wherever an option may, in every spelling', async (t) => {
  const request = read([
    '--rt-profile',
    'p',
    '-append',
    '--rt-nic',
    '-rt-nic',
    'a,id=x',
    '--rt-nic=b',
    '--rt-config=/c d',
    '--dry-run',
    '--rt-format',
    'json',
    '--rt-sysroot',
    '/r',
    '-rt-emulator=/q',
    '-S',
  ])
  t.strictSame(words(request), [
    ['-append', 3],
    ['--rt-nic', 4],
    ['-S', 15],
  ])
  t.match(request, {
    profile: 'p',
    nics: ['a,id=x', 'b'],
    config: { path: '/c d', explicit: true },
    dryRun: true,
    format: 'json',
    sysroot: '/r',
    emulator: '/q',
  })
})

t.test('run takes options before --, and the same ones after it', async (t) => {
  const request = read(
    ['run', '--nic', 'a', '--dry-run', '--format=args', '--', '-S', '--rt-nic', 'b'],
    {},
    'qemu-rt',
  )
  t.strictSame(words(request), [['-S', 7]])
  t.match(request, { entry: 'run', nics: ['a', 'b'], dryRun: true, format: 'args' })
})

t.test('a value is what was typed, whatever it looks like', async (t) => {
  for (const value of [
    '007',
    '1e3',
    '"quoted"',
    "'q'",
    'a.b',
    '--nic',
    '-h',
    '--',
    '-5',
    'true',
    'a=b',
    'a\nb',
    '-',
    '__proto__',
  ]) {
    for (const spelled of [[`--profile=${value}`], ['--profile', value]]) {
      const args = ['run', ...spelled, '--nic', value, '--nic=b', '--', '-S']
      // The first `--` ends run's own options.
      if (value === '--' && spelled.length > 1) continue
      if (value === '--') args.splice(2, 2)
      t.match(
        read(args, {}, 'qemu-rt'),
        { profile: value, nics: value === '--' ? ['b'] : [value, 'b'] },
        spelled.join(' '),
      )
    }
    const onLine = ['--rt-profile', value, `-rt-nic=${value}`, '-rt-nic', value, '-S']
    t.match(read(onLine), { profile: value, nics: [value, value] }, onLine.join(' '))
  }
  t.strictSame(read([], { QEMU_RT_NIC: '--nic 007' }).nics, ['--nic', '007'])
})

t.test('a flag beats the environment', async (t) => {
  const env = {
    QEMU_RT_PROFILE: 'e',
    QEMU_RT_NIC: ' a  b,id=x ',
    QEMU_RT_CONFIG: '/e',
    QEMU_RT_DRY_RUN: '1',
    QEMU_RT_FORMAT: 'diff',
    QEMU_RT_SYSROOT: '/s',
    QEMU_RT_EMULATOR: '/em',
  }
  t.match(read([], env), {
    profile: 'e',
    nics: ['a', 'b,id=x'],
    config: { path: '/e', explicit: true },
    dryRun: true,
    format: 'diff',
    sysroot: '/s',
    emulator: '/em',
  })
  t.match(read(['--rt-profile', 'f', '--rt-nic', 'c'], env), { profile: 'f', nics: ['c'] })
  t.match(read([], { QEMU_RT_DRY_RUN: '0', QEMU_RT_PROFILE: '', QEMU_RT_CONFIG: '' }), {
    dryRun: false,
    profile: null,
    config: { explicit: false },
  })
})

t.test('the emulator is named after the entry, or after the host for run', async (t) => {
  t.equal(read([], {}, 'qemu-rt-system-aarch64').defaultEmulator, '/usr/bin/qemu-system-aarch64')
  t.equal(read([], {}, 'qemu-rt-kvm').defaultEmulator, '/usr/bin/qemu-kvm')
  t.equal(read(['run', '--'], {}, 'qemu-rt').defaultEmulator, '/usr/bin/qemu-system-x86_64')
})

t.test('wrong usage is said in one line with exit code 64', async (t) => {
  const cases: [string[], string, string][] = [
    [
      ['--rt-profle', 'x'],
      'qemu-rt-system-x86_64',
      "unknown option '--rt-profle'; did you mean '--rt-profile'?",
    ],
    [
      ['--rt-format', 'xml'],
      'qemu-rt-system-x86_64',
      "unknown format 'xml': --format; use one of text, args, json, diff",
    ],
    [['--rt-profile'], 'qemu-rt-system-x86_64', "a value is missing: --rt-profile; see 'qemu-rt run --help'"],
    [
      ['--rt-profile='],
      'qemu-rt-system-x86_64',
      "a value is missing: --rt-profile; see 'qemu-rt run --help'",
    ],
    [
      ['--rt-emulator', 'qemu'],
      'qemu-rt-system-x86_64',
      "'qemu' is not an absolute path: --emulator; see 'qemu-rt run --help'",
    ],
    [
      ['--rt-config', '/a', '--rt-config', '/b'],
      'qemu-rt-system-x86_64',
      "given more than once: --rt-config; see 'qemu-rt run --help'",
    ],
    [
      ['run', '-S'],
      'qemu-rt',
      "'run' needs '--' before QEMU's arguments; write: qemu-rt run [options] -- QEMU-ARGUMENTS",
    ],
    [['run', '--nics', 'a', '--', '-S'], 'qemu-rt', "unknown option '--nics'; did you mean '--nic'?"],
    [['run', 'stray', '--', '-S'], 'qemu-rt', "unknown option 'stray'; see 'qemu-rt run --help'"],
    [['run', '-nic', 'a', '--', '-S'], 'qemu-rt', "unknown option '-nic'; did you mean '--nic'?"],
    [['run', '--=x', '--', '-S'], 'qemu-rt', "unknown option '--=x'; see 'qemu-rt run --help'"],
    [
      ['run', '--no-dry-run', '--', '-S'],
      'qemu-rt',
      "unknown option '--no-dry-run'; did you mean '--dry-run'?",
    ],
    [['run', '--dry-run=', '--', '-S'], 'qemu-rt', "takes no value: --dry-run; see 'qemu-rt run --help'"],
    [['--dry-run=yes'], 'qemu-rt-system-x86_64', "takes no value: --dry-run; see 'qemu-rt run --help'"],
    [['-rt-dry-run=1'], 'qemu-rt-system-x86_64', "takes no value: --rt-dry-run; see 'qemu-rt run --help'"],
    [['--rt-nic='], 'qemu-rt-system-x86_64', "a value is missing: --rt-nic; see 'qemu-rt run --help'"],
    [['run', '--nic', '', '--', '-S'], 'qemu-rt', "a value is missing: --nic; see 'qemu-rt run --help'"],
    [['run', '--profile', '--', '-S'], 'qemu-rt', "a value is missing: --profile; see 'qemu-rt run --help'"],
  ]
  for (const [args, entry, message] of cases) {
    t.throws(() => read(args, {}, entry), { message, exitCode: 64 }, args.join(' '))
  }
})
