import {
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { findCases, runCase } from '../../src/golden/case.js'
import { compareCase, updateCase } from '../../src/golden/compare.js'

const INPUT = `LC_ALL=C \\
HOME='/var/lib/a b' \\
/usr/bin/qemu-rt-system-x86_64 \\
-name guest=vm,debug-threads=on \\
-device '{"driver":"virtio-net-pci"}'
`
const RULE = '[[rule]]\noption = "device"\nset = { mq = true }\n'

t.test('update writes what a case gives, and verify is content then', async (t) => {
  const directory = t.testdir({ 'input.args': INPUT, 'qemu-rt.toml': RULE })
  t.match(compareCase(directory, runCase(directory)), [/expected\.args/, /expected\.json/])
  t.strictSame(updateCase(directory, runCase(directory)), ['expected.args', 'expected.json'])
  t.strictSame(compareCase(directory, runCase(directory)), [])
  t.equal(
    readFileSync(join(directory, 'expected.args'), 'utf8'),
    INPUT.replace('qemu-rt-system', 'qemu-system').replace('pci"}', 'pci","mq":true}'),
  )
  t.strictSame(updateCase(directory, runCase(directory)), [], 'nothing is left to write')
})

t.test(
  "root writes and removes nothing by another user's link",
  { skip: process.getuid?.() !== 0 && 'not root' },
  async (t) => {
    const directory = t.testdir({ aim: { 'input.args': INPUT, 'expected.error': 'x' }, theirs: {} })
    const link = join(directory, 'theirs/link')
    symlinkSync(join(directory, 'aim'), link)
    chownSync(join(directory, 'theirs'), 65534, 65534)
    lchownSync(link, 65534, 65534)
    const written = { 'expected.args': runCase(link), 'expected.error': {} }
    for (const [file, outcome] of Object.entries(written))
      t.throws(() => updateCase(link, outcome), {
        message: `what a golden case expects cannot be written (a link that is not root's leads there): ${join(link, file)}; give the case's real path, without links`,
        exitCode: 77,
      })
    t.strictSame(readdirSync(join(directory, 'aim')), ['expected.error', 'input.args'])
  },
)

t.test('verify shows a difference', async (t) => {
  const directory = t.testdir({ 'input.args': INPUT, 'qemu-rt.toml': RULE })
  updateCase(directory, runCase(directory))
  const [difference] = compareCase(directory, { ...runCase(directory), 'expected.args': 'other\n' })
  t.match(difference, /^-.*mq.*$[\s\S]*^\+other$/m)
})

t.test('a plan that has become an error is shown by the error alone', async (t) => {
  const directory = t.testdir({ 'input.args': INPUT })
  updateCase(directory, runCase(directory))
  writeFileSync(join(directory, 'options'), '--profile none')
  const differences = compareCase(directory, runCase(directory))
  t.match(differences, [/^\+qemu-rt: profile 'none' is not defined/m])
  t.equal(differences.length, 1)
})

t.test('an error is expected with its message and exit code, and replaces the plan', async (t) => {
  const directory = t.testdir({ 'input.args': INPUT, 'expected.args': 'x', options: '--profile none' })
  t.strictSame(updateCase(directory, runCase(directory)), ['expected.args', 'expected.error'])
  t.notOk(existsSync(join(directory, 'expected.args')))
  t.equal(
    readFileSync(join(directory, 'expected.error'), 'utf8'),
    "qemu-rt: profile 'none' is not defined: /etc/qemu-rt/qemu-rt.toml; it defines none: write [profile.none], or name another configuration\nexit code 78\n",
  )
})

t.test('cases are found below directories, in order', async (t) => {
  const root = t.testdir({ b: { 'input.args': INPUT }, a: { c: { 'input.args': INPUT } }, empty: {} })
  t.strictSame(findCases([root]), [join(root, 'a/c'), join(root, 'b')])
  t.strictSame(findCases([join(root, 'b')]), [join(root, 'b')])
  t.throws(() => findCases([join(root, 'empty')]), {
    message: `no golden case found: ${join(root, 'empty')}; a case is a directory with an input.args`,
    exitCode: 65,
  })
})

t.test('a link to a case is a case, and a link to anything else is not followed', async (t) => {
  const root = t.testdir({ cases: { own: { 'input.args': INPUT } }, other: { 'input.args': INPUT } })
  const at = (name: string) => join(root, 'cases', name)
  symlinkSync('../other', at('linked'))
  // Back to where it stands, to itself, and to nothing.
  symlinkSync('.', at('again'))
  symlinkSync('loop', at('loop'))
  symlinkSync('nowhere', at('lost'))
  t.strictSame(findCases([join(root, 'cases')]), [at('linked'), at('own')])
})

t.test('a directory that cannot be looked at is said, not passed over', async (t) => {
  const root = t.testdir({ a: { 'input.args': INPUT } })
  mkdirSync(Buffer.from(`${root}/caf\xe9`, 'latin1'))
  t.throws(() => findCases([root]), {
    message: `the name of a directory is not UTF-8, so that no case in it is run: ${root}/caf\\u{dce9}; rename it`,
    exitCode: 65,
  })
  t.throws(() => findCases([join(root, 'a/input.args')]), {
    message: `no golden case found: ${root}/a/input.args; a case is a directory with an input.args`,
    exitCode: 65,
  })
})

t.test('a quote in options that is not closed is an error, not a case without options', async (t) => {
  const directory = t.testdir({ 'input.args': INPUT, options: "--profile 'none" })
  t.equal(
    runCase(directory)['expected.error'],
    `qemu-rt: a quote is not closed: ${directory}/options; close it\nexit code 65\n`,
  )
})

t.test('a directory in the place of a file is said with its path', async (t) => {
  const directory = t.testdir({ 'input.args': INPUT, 'expected.args': {} })
  const error = (name: string) => ({
    message: `a file of a golden case cannot be read: ${join(directory, name)} (EISDIR); put a file there that this user may read, or nothing`,
    exitCode: 65,
  })
  t.throws(() => compareCase(directory, runCase(directory)), error('expected.args'))
  mkdirSync(join(directory, 'options'))
  t.throws(() => runCase(directory), error('options'), 'nor is that an outcome to be expected')
})

t.test('a byte that is not UTF-8 stays the byte that it is', async (t) => {
  const directory = t.testdir({})
  const input = '/usr/bin/qemu-system-x86_64 \\\n-name caf\xe9\n'
  writeFileSync(join(directory, 'input.args'), input, 'latin1')
  t.equal(
    runCase(directory)['expected.args'],
    "/usr/bin/qemu-system-x86_64 \\\n-name $'caf\\351,debug-threads=on'\n",
  )
  updateCase(directory, runCase(directory))
  t.strictSame(compareCase(directory, runCase(directory)), [])
})

t.test('an input that is no command is an error', async (t) => {
  const directory = t.testdir({ 'input.args': "LC_ALL=C '" })
  t.match(runCase(directory)['expected.error'], /not a command in golden format/)
})

t.test('a line may end in CRLF, and no argument has a carriage return of it', async (t) => {
  const files = { 'input.args': INPUT, 'qemu-rt.toml': RULE, options: '--wait 1 \\\n--format args\n' }
  const expected = runCase(t.testdir(files))
  const withCrlf = Object.entries(files).map(([name, text]) => [name, text.replaceAll('\n', '\r\n')])
  const directory = t.testdir(Object.fromEntries(withCrlf))
  t.strictSame(runCase(directory), expected)
  t.notMatch(expected['expected.json'], '\\r')
  updateCase(directory, expected)
  const file = join(directory, 'expected.args')
  writeFileSync(file, readFileSync(file, 'utf8').replaceAll('\n', '\r\n'))
  t.strictSame(compareCase(directory, runCase(directory)), [], 'nor is an expected file another one by it')
})
