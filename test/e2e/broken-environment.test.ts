import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { launcher, PATH, plannerForms, ROOT, temporaryDirectory } from '../launcher/launcher.js'
import { runSync } from '../launcher/run.js'
import { needs, unmet } from './needs.js'

const QEMU_RT = launcher('qemu-rt')

/** Runs a script of sh, without what tap has Node load and write at its end; `$1` is the launcher, `$2` a directory. */
function sh(
  script: string,
  directory: string,
  env: Readonly<Record<string, string>> = {},
  prefix: readonly string[] = [],
) {
  const command = ['sh', '-c', `unset NODE_OPTIONS; ${script}`, 'sh', QEMU_RT, directory]
  return runSync([...prefix, ...command], { env: { PATH, ...env } })
}

/** Beside the rest of the system, for mounts that nobody else sees. */
const OWN_MOUNTS = ['unshare', '--mount', '--propagation', 'private']

function canMount(t: Test): boolean {
  if (!needs(t, ['unshare', 'mount'])) return false
  const { status } = sh('mount -t tmpfs -o size=64k none "$2"', temporaryDirectory(t), {}, OWN_MOUNTS)
  return status === 0 || unmet(t, 'mount namespaces are not possible here')
}

const ONE_LINE = /^qemu-rt: [^\n]+\n$/
const HOST = join(ROOT, 'fixtures/hosts/four-nics')

for (const form of plannerForms()) {
  t.test(`stdout that takes nothing, ${form.name}`, async (t) => {
    const commands = [
      '"$1" run --dry-run --emulator /bin/true -- -name x >/dev/full',
      '"$1" nics list >/dev/full',
      'ulimit -f 0; "$1" nics list >"$2/out"',
    ]
    for (const command of commands) {
      const { status, stderr } = sh(command, temporaryDirectory(t), form.env)
      t.equal(status, 69, command)
      t.match(stderr, ONE_LINE)
      t.match(stderr, /stdout \(write, (ENOSPC|EFBIG)\); /)
      t.notMatch(stderr, /internal error/)
    }
    t.equal(sh('"$1" nics list | true; exit 0', '/', form.env).stderr, '', 'who has seen enough is no error')
  })

  t.test(`help and version to what takes nothing, or has gone, ${form.name}`, async (t) => {
    for (const words of ['--help', '--version', 'help nics bind', 'host check --help', 'run --help']) {
      const full = sh(`"$1" ${words} >/dev/full`, '/', form.env)
      t.equal(full.status, 69, words)
      t.match(full.stderr, ONE_LINE)
      t.match(full.stderr, /^qemu-rt: no space is left: stdout \(write, ENOSPC\); /)
      // With a reader that takes its time to go, all is written: 0.
      const gone = sh(`{ sleep 0.2; "$1" ${words}; echo $? >&2; } | true`, '/', form.env)
      t.match(gone.stderr, /^(0|141)\n$/, words)
    }
    for (const words of ['nosuch', 'nics', 'status --format x']) {
      t.equal(sh(`"$1" ${words} 2>/dev/full`, '/', form.env).status, 64, `${words}: nobody can be told`)
      t.equal(sh(`"$1" ${words} 2>&-`, '/', form.env).status, 64, words)
    }
  })

  t.test(`names that lead nowhere, ${form.name}`, async (t) => {
    const long = 'x'.repeat(5000)
    for (const [command, status, where] of [
      [`host check --config ${long}`, 78, /\(ENAMETOOLONG\): x+; /],
      [`run --dry-run --config ${long} -- -S`, 78, /\(ENAMETOOLONG\): x+; /],
      [`golden verify ${long}`, 65, /^qemu-rt: the name is too long: .*x+.*; give a shorter one\n$/],
    ] as const) {
      const ended = sh(`"$1" ${command}`, '/', form.env)
      t.equal(ended.status, status, command.slice(0, 40))
      t.match(ended.stderr, ONE_LINE)
      t.match(ended.stderr, where)
    }
    const { status, stderr } = sh('"$1" jitter --seconds 2 --emulator /bin/true', '/', {
      ...form.env,
      TMPDIR: '/nonexistent',
    })
    t.equal(status, 69)
    t.match(
      stderr,
      /^qemu-rt: the directory for temporary files cannot be used: \/nonexistent \(mkdtemp, ENOENT\); set TMPDIR [^\n]+\n$/,
    )
  })

  t.test(`no descriptors left, ${form.name}`, async (t) => {
    for (const limit of [6, 9, 12, 16, 20, 30]) {
      const directory = temporaryDirectory(t)
      const script = `ulimit -n ${limit}; exec "$1" run --emulator "$2/started" -- -name x`
      writeFileSync(join(directory, 'started'), `#!/bin/sh\n: >"${directory}/ran"\n`, { mode: 0o755 })
      const { status, stderr } = sh(script, directory, form.env)
      const ran = existsSync(join(directory, 'ran'))
      // dash itself needs descriptor 10 to read a script.
      if (limit < 11) t.equal(status, 2)
      else if (status !== 0) t.match(stderr, /(^|\n)qemu-rt: [^\n]+\n$/, `${limit}`)
      t.equal(status === 0, ran, `${limit}: started, or failed`)
    }
  })
}

t.test('capture: a disk that is full or read-only leaves nothing', async (t) => {
  if (!canMount(t)) return
  const directory = temporaryDirectory(t)
  const capture = `"$1" capture --sysroot ${HOST} "$2/host"; code=$?; ls -A "$2" >&2; exit $code`
  const full = sh(`mount -t tmpfs -o size=16k none "$2" && ${capture}`, directory, {}, OWN_MOUNTS)
  t.equal(full.status, 69)
  t.match(full.stderr, /^qemu-rt: the captured host cannot be written: .*\/host \(ENOSPC\); [^\n]+\n$/)
  const readOnly = sh(`mount -t tmpfs -o ro none "$2" && ${capture}`, directory, {}, OWN_MOUNTS)
  t.equal(readOnly.status, 77)
  t.match(readOnly.stderr, /^qemu-rt: the captured host cannot be written: .*\/host \(EROFS\); [^\n]+\n$/)
  const short = sh(`ulimit -f 0; ${capture}`, directory)
  t.equal(short.status, 69)
  t.match(short.stderr, /^qemu-rt: the captured host cannot be written: .*\/host \(EFBIG\); [^\n]+\n$/)
})

t.test('capture writes through no link', async (t) => {
  const directory = temporaryDirectory(t)
  mkdirSync(join(directory, 'elsewhere'))
  symlinkSync('elsewhere', join(directory, 'host'))
  const { status, stderr } = sh('"$1" capture "$2/host"', directory)
  t.equal(status, 65)
  t.match(stderr, /^qemu-rt: the directory for the captured host is a link: /)
  t.strictSame(readdirSync(join(directory, 'elsewhere')), [])
  t.strictSame(readdirSync(directory).sort(), ['elsewhere', 'host'])
})

t.test('capture under any umask: nobody else may write what was captured', async (t) => {
  for (const umask of ['000', '022', '077']) {
    const directory = temporaryDirectory(t)
    t.equal(sh(`umask ${umask}; "$1" capture "$2/made/host"`, directory).status, 0)
    const paths = ['made', 'made/host', 'made/host/sys', 'made/host/sys/devices/system/cpu/online']
    for (const path of paths) t.equal(statSync(join(directory, path)).mode & 0o022, 0, `${umask} ${path}`)
    t.equal(statSync(join(directory, 'made/host')).mode & 0o777, umask === '077' ? 0o700 : 0o755)
  }
})

t.test(
  'nics scan: the inventory is saved whole or not at all, for all to read and for none to write',
  async (t) => {
    if (!canMount(t)) return
    const directory = temporaryDirectory(t)
    const scan = '"$1" nics scan --sysroot "$2"; code=$?; ls -A "$2/var/lib/qemu-rt" >&2; exit $code'
    runSync(['cp', '-r', `${HOST}/.`, directory])
    runSync(['rm', '-r', join(directory, 'var')])
    for (const umask of ['000', '077']) {
      runSync(['rm', '-rf', join(directory, 'var')])
      t.equal(sh(`umask ${umask}; ${scan}`, directory).status, 0)
      t.equal(statSync(join(directory, 'var/lib/qemu-rt')).mode & 0o777, 0o755)
      t.equal(statSync(join(directory, 'var/lib/qemu-rt/nics.json')).mode & 0o777, 0o644)
      t.equal(statSync(join(directory, 'var')).mode & 0o022, 0)
    }
    const before = readFileSync(join(directory, 'var/lib/qemu-rt/nics.json'), 'utf8')
    const full = `mount -t tmpfs -o size=4k none "$2/var/lib/qemu-rt" && head -c 4096 /dev/zero >"$2/var/lib/qemu-rt/full"; ${scan}`
    const cases: [string, number, RegExp, readonly string[]][] = [
      [full, 69, /\(ENOSPC\): .*\nfull\n$/, OWN_MOUNTS],
      [`mount -t tmpfs -o ro none "$2/var/lib/qemu-rt" && ${scan}`, 77, /\(EROFS\): .*\n$/, OWN_MOUNTS],
      [`ulimit -f 0; ${scan}`, 69, /\(EFBIG\): .*\nnics\.json\n$/, []],
    ]
    for (const [script, code, said, prefix] of cases) {
      const { status, stderr } = sh(script, directory, {}, prefix)
      t.equal(status, code, stderr)
      t.match(stderr, said)
      t.match(stderr, /^qemu-rt: the NIC inventory cannot be saved /)
    }
    t.equal(readFileSync(join(directory, 'var/lib/qemu-rt/nics.json'), 'utf8'), before)
  },
)

t.test('golden update leaves what it cannot replace', async (t) => {
  if (!canMount(t)) return
  const directory = temporaryDirectory(t)
  const input = '/usr/bin/qemu-system-x86_64 \\\n-name x\n'
  const make = () => {
    writeFileSync(join(directory, 'input.args'), input)
    writeFileSync(join(directory, 'expected.args'), 'old\n')
  }
  make()
  const update = '"$1" golden update "$2"; code=$?; cat "$2/expected.args" >&2; ls "$2" >&2; exit $code'
  const left = 'old\nexpected.args\ninput.args\n'
  const short = sh(`ulimit -f 0; ${update}`, directory)
  t.equal(short.status, 69)
  t.match(
    short.stderr,
    /^qemu-rt: what a golden case expects cannot be written \(EFBIG\): .*expected\.args; /,
  )
  t.ok(short.stderr.endsWith(left), short.stderr)
  const readOnly = sh(
    `mount --bind "$2" "$2" && mount -o remount,ro,bind "$2" && ${update}`,
    directory,
    {},
    OWN_MOUNTS,
  )
  t.equal(readOnly.status, 77, readOnly.stderr)
  t.match(readOnly.stderr, /\(EROFS\)/)
  t.ok(readOnly.stderr.endsWith(left), readOnly.stderr)
})

t.test('an installation has the same modes under any umask', async (t) => {
  const modes = (umask: string) => {
    const root = join(temporaryDirectory(t), 'root')
    const { status } = sh(`umask ${umask}; DESTDIR="$2" ${ROOT}/install.sh --prefix /opt/rt`, root)
    t.equal(status, 0)
    const { stdout } = runSync(['find', '.', '!', '-type', 'l', '-printf', '%m %p\n'], { cwd: root })
    return stdout.split('\n').sort()
  }
  const usual = modes('022')
  t.ok(usual.length > 50)
  t.strictSame(modes('000'), usual)
  t.strictSame(modes('077'), usual)
  t.notOk(
    usual.some((line) => /^\d*[2367]\d? |^\d*[2367] /.test(line.replace(/^(\d+) .*/, '$1 '))),
    'nothing that others may write',
  )
})
