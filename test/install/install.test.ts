import { execFileSync, spawnSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parsePolicy } from '../../src/config/parse.js'
import { filesBeneath } from '../files.js'

const script = fileURLToPath(new URL('../../install.sh', import.meta.url))
const run = (args: string[], env = {}) =>
  spawnSync(script, args, { encoding: 'utf8', env: { ...process.env, DESTDIR: '', ...env } })

/** Every file below a directory: path, mode, and content or where a link points. */
function tree(directory: string): string[] {
  if (!existsSync(directory)) return []
  return filesBeneath(directory)
    .map(({ path, entry }) => {
      const content = entry.isSymbolicLink() ? `-> ${readlinkSync(path)}` : readFileSync(path, 'latin1')
      return `${relative(directory, path)} ${(lstatSync(path).mode & 0o7777).toString(8)} ${content}`
    })
    .sort()
}

const paths = (directory: string) => tree(directory).map((line) => line.split(' ')[0])

t.test('what is installed runs from where it is, and twice is the same as once', async (t) => {
  const root = t.testdir({})
  const install = () => run(['--prefix', '/opt/rt'], { DESTDIR: root })
  t.match(install(), { status: 0, stderr: '' })
  const once = tree(root)
  const bin = join(root, 'opt/rt/bin')
  t.ok(lstatSync(join(bin, 'qemu-rt-system-x86_64')).isSymbolicLink())
  const byPath = join(root, 'opt/rt/lib/qemu-rt/emulators/qemu-system-x86_64')
  t.equal(statSync(byPath).ino, statSync(join(bin, 'qemu-rt')).ino)
  t.match(readFileSync(join(bin, 'qemu-rt'), 'utf8'), /^qemu_rt_lib=\/opt\/rt\/lib\/qemu-rt$/m)
  t.match(install(), { status: 0, stderr: '' })
  t.strictSame(tree(root), once)
  const planner = join(root, 'opt/rt/lib/qemu-rt/qemu-rt.mjs')
  t.match(
    execFileSync('node', [planner, 'cli', '--version'], { encoding: 'utf8' }),
    /^qemu-rt 0\.1\.0 \(build [\da-z]+\+?, Node \d+\.\d+\.\d+\)\n$/,
  )
})

t.test('everything that a compute node needs is put where it is looked for', async (t) => {
  const root = t.testdir({})
  run(['--prefix', '/opt/rt'], { DESTDIR: root })
  const content = (path: string) => readFileSync(join(root, path), 'utf8')
  const hook = '/etc/libvirt/hooks/qemu.d/qemu-rt'
  t.match(content(hook), /"\/opt\/rt\/bin\/qemu-rt" hook "\$@"/)
  t.equal(statSync(join(root, hook)).mode & 0o777, 0o755)
  for (const daemon of ['libvirtd', 'virtqemud']) {
    const limits = content(`/etc/systemd/system/${daemon}.service.d/qemu-rt.conf`)
    t.match(limits, /^LimitRTPRIO=99\nLimitMEMLOCK=infinity$/m)
    t.match(limits, /^ExecStartPre=-\/opt\/rt\/bin\/qemu-rt refresh$/m)
  }
  t.match(
    content('/etc/systemd/system/qemu-rt-refresh.path'),
    /^PathChanged=\/usr\/bin\/qemu-system-x86_64$/m,
  )
  t.match(
    content('/etc/systemd/system/qemu-rt-refresh.service'),
    /^ExecStart=\/opt\/rt\/bin\/qemu-rt refresh$/m,
  )
  t.equal(
    readlinkSync(join(root, '/etc/systemd/system/multi-user.target.wants/qemu-rt-refresh.path')),
    '../qemu-rt-refresh.path',
  )
  t.match(content('/etc/tmpfiles.d/qemu-rt.conf'), /^d \/run\/qemu-rt\/leases +3770 root kvm/m)
  t.match(content('/etc/apparmor.d/local/abstractions/libvirt-qemu'), /^ {2}\/opt\/rt\/bin\/qemu-rt rix,$/m)
  t.match(content('/etc/apparmor.d/local/usr.sbin.libvirtd'), /^ {2}\/opt\/rt\/bin\/qemu-rt PUx,$/m)
  const example = content('/etc/qemu-rt/qemu-rt.toml')
  const { nics, profiles, domains } = parsePolicy(example, 'x')
  t.strictSame(
    [Object.keys(nics), Object.keys(profiles), domains],
    [[], [], []],
    'nothing in the example is active',
  )
  const active = example.replace(/^# (?=\[|[a-z-]+ +=|[a-z]+ = )/gm, '')
  t.match(Object.keys(parsePolicy(active, 'x').profiles), ['rt'], 'and all of it is right')
  const texts = tree(root).filter((text) => !/^\S*(lib\/qemu-rt|share\/doc)\//.test(text))
  for (const text of texts) t.notMatch(text, /@[a-z]+@/)
})

t.test('each relative link in the installed documentation leads to an installed file', async (t) => {
  const root = t.testdir({
    opt: { rt: { share: { doc: { 'qemu-rt': { 'status.md': 'of an older version' } } } } },
  })
  run(['--prefix', '/opt/rt'], { DESTDIR: root })
  const docs = join(root, 'opt/rt/share/doc/qemu-rt')
  t.notOk(existsSync(join(docs, 'status.md')))
  const texts = paths(docs).filter((path) => path?.endsWith('.md'))
  t.ok(texts.includes('README.md') && texts.includes('docs/performance.md'))
  for (const text of texts) {
    for (const target of relativeLinks(readFileSync(join(docs, text ?? ''), 'utf8'))) {
      t.ok(existsSync(join(docs, dirname(text ?? ''), target)), `${text}: ${target}`)
    }
  }
  const examples = readFileSync(join(docs, 'README.md'), 'utf8').match(/\bexamples\/[\w.-]+/g) ?? []
  t.ok(examples.length > 0)
  for (const example of examples) t.ok(existsSync(join(docs, example)), example)
  for (const path of ['README.md', 'docs/performance/scale.svg']) {
    t.equal(statSync(join(docs, path)).mode & 0o777, 0o644)
  }
  t.equal(statSync(join(docs, 'docs/performance')).mode & 0o777, 0o755)
})

/** Where a Markdown text's links lead to, but those to other sites. */
function relativeLinks(text: string): string[] {
  return [...text.matchAll(/\]\(([^)#]+)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
}

t.test('a directory that AppArmor did not have is gone again, and one with files of others stays', (t) => {
  const root = t.testdir({ etc: { 'apparmor.d': { local: { README: 'theirs' } } } })
  run(['--prefix', '/opt/rt'], { DESTDIR: root })
  t.ok(existsSync(`${root}/etc/apparmor.d/local/abstractions/libvirt-qemu`))
  run(['--prefix', '/opt/rt', '--uninstall'], { DESTDIR: root })
  t.strictSame(readdirSync(`${root}/etc/apparmor.d/local`), ['README'])
  t.end()
})

t.test('uninstalling leaves nothing of ours and all that is not', async (t) => {
  const root = t.testdir({})
  const others: Record<string, string> = {
    '/opt/rt/bin/qemu-rt-system-mine': 'mine',
    '/opt/rt/lib/other': 'other',
    '/etc/libvirt/hooks/qemu.d/other': 'other',
    '/etc/apparmor.d/local/abstractions/libvirt-qemu': '  /srv/** r,\n',
    '/etc/apparmor.d/local/usr.sbin.libvirtd': '# Site-specific additions\n',
    // Debian 12's profile includes it whether it is there or not.
    '/etc/apparmor.d/local/usr.sbin.virtqemud': '',
  }
  for (const [path, content] of Object.entries(others)) {
    mkdirSync(dirname(root + path), { recursive: true })
    writeFileSync(root + path, content, { mode: 0o644 })
  }
  const before = tree(root)
  const env = { DESTDIR: root }
  run(['--prefix', '/opt/rt'], env)
  t.match(
    readFileSync(`${root}/etc/apparmor.d/local/abstractions/libvirt-qemu`, 'utf8'),
    /^ {2}\/srv\/\*\* r,$/m,
  )
  run(['--prefix', '/opt/rt'], env)
  mkdirSync(`${root}/var/lib/qemu-rt`, { recursive: true })
  writeFileSync(`${root}/var/lib/qemu-rt/nics.json`, '{}')
  writeFileSync(`${root}/var/lib/qemu-rt/host-apply.json`, '{}')
  t.match(run(['--prefix', '/opt/rt', '--uninstall'], env), {
    status: 69,
    stdout: '',
    stderr: /^install\.sh: .*; put it back first: qemu-rt host undo\n$/,
  })
  t.ok(existsSync(`${root}/opt/rt/bin/qemu-rt`), 'what undoes it stays')
  rmSync(`${root}/var/lib/qemu-rt/host-apply.json`)
  t.match(run(['--prefix', '/opt/rt', '--uninstall'], env), {
    status: 0,
    stdout: 'removed from /opt/rt\n',
    stderr: '',
  })
  t.strictSame(tree(root), before)
  t.notOk(existsSync(`${root}/etc/qemu-rt`))
  t.notOk(existsSync(`${root}/etc/systemd/system/libvirtd.service.d`))
  t.equal(run(['--prefix', '/opt/rt', '--uninstall'], env).status, 0, 'and again')
})

t.test('what a VM that runs needs is not taken away', async (t) => {
  const root = t.testdir({ run: { 'qemu-rt': { vms: {}, leases: { 64055: { '4711-1-a@4@.lease': '' } } } } })
  const records = `${root}/run/qemu-rt/vms`
  const uninstall = () => run(['--prefix', '/opt/rt', '--uninstall'], { DESTDIR: root })
  run(['--prefix', '/opt/rt'], { DESTDIR: root })
  for (const record of ['libvirt-1.json', 'left-1.json']) {
    writeFileSync(`${records}/${record}`, '{}')
    t.match(uninstall(), {
      status: 69,
      stdout: '',
      stderr: `install.sh: libvirt domains that qemu-rt has prepared run, or NICs wait to go back: ${records}/${record}; shut these domains down first; if none runs, see docs/libvirt.md\n`,
    })
    t.ok(existsSync(`${root}/etc/libvirt/hooks/qemu.d/qemu-rt`), 'the hook stays')
    rmSync(`${records}/${record}`)
  }
  t.match(uninstall(), {
    status: 0,
    stdout:
      'left, because VMs may run: /run/qemu-rt, and what is saved in /var/lib/qemu-rt\nremoved from /opt/rt\n',
  })
  t.ok(existsSync(`${root}/run/qemu-rt/leases/64055/4711-1-a@4@.lease`))
})

t.test('with nothing else there, nothing at all is left', async (t) => {
  const root = t.testdir({})
  run(['--prefix', '/opt/rt'], { DESTDIR: root })
  run(['--prefix', '/opt/rt', '--uninstall'], { DESTDIR: root })
  t.strictSame(tree(root), [])
  t.notOk(existsSync(`${root}/opt/rt`))
})

t.test("the operator's configuration is never overwritten, nor removed", async (t) => {
  const root = t.testdir({ etc: { 'qemu-rt': { 'qemu-rt.toml': '[profile.mine]\n' } } })
  run([], { DESTDIR: root })
  t.match(run(['--uninstall'], { DESTDIR: root }), {
    status: 0,
    stdout: 'left, because it was changed: /etc/qemu-rt/qemu-rt.toml\nremoved from /usr/local\n',
  })
  t.equal(readFileSync(`${root}/etc/qemu-rt/qemu-rt.toml`, 'utf8'), '[profile.mine]\n')
})

t.test('--check says what would be done, and does nothing', async (t) => {
  const root = t.testdir({})
  const checked = run(['--check'], { DESTDIR: root })
  t.match(checked, { status: 0, stderr: '' })
  t.strictSame(tree(root), [])
  t.match(
    checked.stdout,
    /^would put the launcher in \/usr\/local\/bin, with qemu-rt-system-ARCH for: .*x86_64/m,
  )
  run([], { DESTDIR: root })
  const written = paths(root).filter((path) => !/lib\/qemu-rt|share\/doc|\/bin\//.test(path ?? ''))
  for (const path of written) t.match(checked.stdout, `/${path}`)
  t.match(run(['--check'], { DESTDIR: root }).stdout, /^would leave \/etc\/qemu-rt\/qemu-rt\.toml as it is$/m)
})

t.test('on RHEL and Fedora the steps are others', async (t) => {
  const root = t.testdir({
    'os-release': 'NAME="AlmaLinux"\nID="almalinux"\nID_LIKE="rhel centos fedora"\n',
    usr: { libexec: { 'qemu-kvm': '' } },
  })
  const env = { OS_RELEASE: `${root}/os-release` }
  const { stdout } = run(['--check'], env)
  t.match(stdout, /label the wrapper as QEMU for SELinux \(semanage fcontext, restorecon\)/)
  t.notMatch(stdout, /apparmor/)
  t.match(run(['--check'], { OS_RELEASE: `${root}/none` }).stdout, /apparmor/)
  run([], { ...env, DESTDIR: root })
  const { emulators } = parsePolicy(readFileSync(`${root}/etc/qemu-rt/qemu-rt.toml`, 'utf8'), 'x')
  t.strictSame({ ...emulators }, { x86_64: '/usr/libexec/qemu-kvm' })
  t.match(
    readFileSync(`${root}/etc/systemd/system/qemu-rt-refresh.path`, 'utf8'),
    /^PathChanged=\/usr\/libexec\/qemu-kvm$/m,
  )
  t.match(run(['--uninstall'], { ...env, DESTDIR: root }), { stdout: 'removed from /usr/local\n' })
})

t.test('wrong usage is said in one line', async (t) => {
  const cases: [string[], string][] = [
    [['--prefx', '/x'], "install.sh: unknown option '--prefx'; see --help\n"],
    [['--prefix'], 'install.sh: --prefix needs a directory\n'],
    [['--prefix', 'usr'], "install.sh: the prefix 'usr' is not an absolute path\n"],
    [['--prefix', '/a b'], "install.sh: the prefix '/a b' may have letters, digits and / . _ + - only\n"],
  ]
  for (const [args, message] of cases) t.match(run(args), { status: 64, stdout: '', stderr: message })
})

t.test('without the right to write it says so before it begins', async (t) => {
  const nobody = process.geteuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
  // By stdin: the checkout may be where nobody can read.
  const install = (...args: string[]) =>
    spawnSync('sh', ['-s', '--', ...args], {
      encoding: 'utf8',
      input: readFileSync(script, 'utf8'),
      cwd: '/',
      env: { ...process.env, DESTDIR: '' },
      ...nobody,
    })
  const stderr =
    'install.sh: /etc and /usr/local are written as root only: sudo ./install.sh; --check and DESTDIR need no root\n'
  for (const args of [[], ['--uninstall']]) t.match(install(...args), { status: 77, stdout: '', stderr })
})
