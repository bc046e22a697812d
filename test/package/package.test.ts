import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { needs, unmet } from '../e2e/needs.js'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

const run = (program: string, ...args: string[]) =>
  spawnSync(program, args, { encoding: 'utf8', cwd: ROOT, maxBuffer: 1 << 26 })

function made(directory: string, ...kinds: string[]): string[] {
  const { status, stderr } = run(process.execPath, 'package/package.mjs', ...kinds, '--out', directory)
  if (status !== 0) throw new Error(stderr)
  return readdirSync(directory)
    .sort()
    .map((name) => join(directory, name))
}

const directory = (t: Test, name: string) => join(t.testdir({ [name]: {} }), name)

const hash = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex')

const withSuffix = (files: readonly string[], suffix: string) => {
  const file = files.find((one) => one.endsWith(suffix))
  if (file === undefined) throw new Error(`no ${suffix} among ${files.join(', ')}`)
  return file
}

t.test('a command line that is wrong is said in one line', async (t) => {
  const cases = [
    [['--out'], /--out <directory>' argument missing/],
    [['--out='], /A directory is missing/],
    [['--out', '--help'], /A directory is missing/],
    [['--ou', 'x'], /unknown option '--ou' \(Did you mean --out\?\)/],
    [['dbe'], /'dbe' is invalid for argument 'kind'\. It is none of deb, rpm, sbom/],
    [['deb', 'toString'], /'toString' is invalid/],
  ] as const
  for (const [args, message] of cases) {
    const { status, stdout, stderr } = run(process.execPath, 'package/package.mjs', ...args)
    t.match({ status, stdout, stderr }, { status: 64, stdout: '', stderr: message }, args.join(' '))
    t.match(stderr, /^package: [^\n]*; see npm run package -- --help\n$/)
  }
  const { status, stdout, stderr } = run(process.execPath, 'package/package.mjs', '--help')
  t.match({ status, stdout, stderr }, { status: 0, stdout: /^Usage: npm run package -- /, stderr: '' })
})

t.test('two packages of one commit are the same to the byte', { timeout: 600_000 }, async (t) => {
  if (!needs(t, ['dpkg-deb', 'rpmbuild'])) return
  const dir = t.testdir({ first: {}, second: {} })
  const first = made(join(dir, 'first'), 'deb', 'rpm')
  const second = made(join(dir, 'second'), 'deb', 'rpm')
  t.equal(first.length, 2)
  t.strictSame(second.map(hash), first.map(hash))

  await t.test("Debian's check finds no error", async (t) => {
    if (!needs(t, ['lintian'])) return
    const { status, stdout } = run('lintian', '--allow-root', '--fail-on', 'error', withSuffix(first, '.deb'))
    t.equal(status, 0, stdout)
  })

  await t.test("and that of rpm's neither", async (t) => {
    if (!needs(t, ['rpmlint'])) return
    const { stdout } = run('rpmlint', '-c', 'package/rpm/rpmlint.toml', withSuffix(first, '.rpm'))
    t.match(stdout, / 0 errors/)
  })

  await t.test('both have what install.sh lists, and the administrator keeps what is in /etc', async (t) => {
    const deb = withSuffix(first, '.deb')
    const list = spawnSync('sh', ['-c', 'dpkg-deb --fsys-tarfile "$1" | tar t', 'sh', deb], {
      encoding: 'utf8',
    })
    const files = list.stdout.split('\n').filter((name) => name !== '' && !name.endsWith('/'))
    const rpm = run('rpm', '-qpl', withSuffix(first, '.rpm')).stdout.split('\n')
    const common = files
      .map((name) => name.replace(/^\./, ''))
      .filter((name) => !/lintian|share\/zsh|doc\/qemu-rt\/(changelog\.gz|copyright)$/.test(name))
    t.ok(common.includes('/usr/lib/systemd/system/qemu-rt-refresh.path'))
    t.ok(common.includes('/usr/lib/qemu-rt/qemu-rt-planner'))
    t.strictSame(
      common.filter((name) => !rpm.includes(name)),
      [],
    )
    const control = run('dpkg-deb', '--info', deb, 'conffiles').stdout
    t.equal(control, '/etc/libvirt/hooks/qemu.d/qemu-rt\n/etc/qemu-rt/qemu-rt.toml\n')
    t.equal(run('rpm', '-qpc', withSuffix(first, '.rpm')).stdout, '/etc/qemu-rt/qemu-rt.toml\n')
  })

  await t.test("rpm's scripts are sh, and run what the other package runs", async (t) => {
    const { stdout } = run('rpm', '-qp', '--scripts', withSuffix(first, '.rpm'))
    const scripts = stdout.split(/^\w+ scriptlet .*:$/m).slice(1)
    t.equal(scripts.length, 3)
    for (const script of scripts) {
      t.match(spawnSync('sh', ['-n'], { input: script, encoding: 'utf8' }), { status: 0, stderr: '' })
    }
    t.match(stdout, /^configure/m)
    t.match(stdout, /before_removal/)
  })

  await t.test('on a host it is installed, upgraded and purged', { timeout: 300_000 }, async (t) => {
    if (process.geteuid?.() !== 0) return unmet(t, 'only root can install a package')
    if (!needs(t, ['unshare', 'qemu-system-x86_64'])) return
    const { status, stdout, stderr } = run('test/package/on-a-host.sh', withSuffix(first, '.deb'))
    t.equal(status, 0, stdout + stderr)
    t.equal(stdout.match(/^ok: /gm)?.length, 9)
    return undefined
  })
})

t.test('a list of the libraries is beside them', async (t) => {
  const { stdout } = run('npm', '--version')
  // Debian 13's, as a part of the release, which no package to install changes.
  if (Number(stdout.split('.')[0]) < 10) return t.pass('', { skip: 'npm before 10 has no sbom' })
  const [file = ''] = made(directory(t, 'sbom'), 'sbom')
  const bom = JSON.parse(readFileSync(file, 'utf8'))
  t.equal(bom.bomFormat, 'CycloneDX')
  const names = bom.components.map(({ name }: { name: string }) => name)
  t.ok(names.includes('commander') && !names.includes('tap'), names.join(' '))
  return undefined
})
