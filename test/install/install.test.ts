import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const script = fileURLToPath(new URL('../../install.sh', import.meta.url))
const run = (args: string[], env = {}) =>
  spawnSync(script, args, { encoding: 'utf8', env: { ...process.env, DESTDIR: '', ...env } })

/** Every file below a directory, relative. */
const tree = (directory: string) =>
  existsSync(directory) ? (readdirSync(directory, { recursive: true }) as string[]).sort() : []

t.test('what is installed runs from its prefix, and twice is the same as once', async (t) => {
  const prefix = join(t.testdir({}), 'usr')
  t.equal(run(['--prefix', prefix]).status, 0)
  const once = tree(prefix)
  t.match(once, ['bin', 'bin/qemu-rt'])
  t.ok(lstatSync(join(prefix, 'bin/qemu-rt-system-x86_64')).isSymbolicLink())
  t.equal(execFileSync(join(prefix, 'bin/qemu-rt'), ['--version'], { encoding: 'utf8' }), '0.1.0\n')
  const args = ['--rt-format', 'args', '--dry-run', '-name', 'debug-threads=on']
  t.equal(
    execFileSync(join(prefix, 'bin/qemu-rt-system-x86_64'), args, { encoding: 'utf8' }),
    '/usr/bin/qemu-system-x86_64 \\\n-name debug-threads=on\n',
  )
  t.equal(run([`--prefix=${prefix}/`]).status, 0)
  t.strictSame(tree(prefix), once)
})

t.test('DESTDIR is where the files go, not what they say', async (t) => {
  const staging = t.testdir({})
  t.equal(run(['--prefix', '/opt/rt'], { DESTDIR: staging }).status, 0)
  t.match(readFileSync(join(staging, 'opt/rt/bin/qemu-rt'), 'utf8'), /^qemu_rt_lib=\/opt\/rt\/lib\/qemu-rt$/m)
})

t.test('uninstalling leaves nothing of ours and all that is not', async (t) => {
  const prefix = join(t.testdir({}), 'usr')
  run(['--prefix', prefix])
  t.equal(run(['--prefix', prefix, '--uninstall']).status, 0)
  t.strictSame(tree(prefix), [])
  run(['--prefix', prefix])
  writeFileSync(join(prefix, 'bin/qemu-rt-system-mine'), '')
  mkdirSync(join(prefix, 'lib/other'))
  run(['--prefix', prefix, '--uninstall'])
  t.strictSame(tree(prefix), ['bin', 'bin/qemu-rt-system-mine', 'lib', 'lib/other'])
  t.equal(run(['--prefix', prefix, '--uninstall']).status, 0, 'and again')
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
