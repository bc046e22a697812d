import {
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  utimesSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { exportCommand } from '../../src/commands/export.js'
import { EXPORT_FORMATS, type ExportFormatName } from '../../src/export/formats.js'
import { qemuRt } from '../launcher/run.js'

const HOST = fileURLToPath(new URL('../../fixtures/hosts/four-nics', import.meta.url))

function made(t: Test) {
  const root = t.testdir({ 'rt.toml': '[nic.line]\nid = "8086:1521"\npool = true\n', out: {}, other: 'keep' })
  const options = { config: join(root, 'rt.toml'), sysroot: HOST }
  const file = join(root, 'out/qemu-rt')
  return { root, file, write: () => exportCommand('nfd', { ...options, output: file }), options }
}

t.test('a file is written whole, for everyone to read, and nothing is left beside it', async (t) => {
  const { file, root, write } = made(t)
  const umask = process.umask(0o077)
  await write()
  process.umask(umask)
  t.match(readFileSync(file, 'utf8'), /^qemu-rt\/nic-line=2$/m)
  t.equal(statSync(file).mode & 0o777, 0o644)
  t.strictSame(readdirSync(join(root, 'out')), ['qemu-rt'])
})

t.test('a file that says the same stays as it is', async (t) => {
  const { file, write } = made(t)
  await write()
  utimesSync(file, 1000, 1000)
  await write()
  t.equal(statSync(file).mtimeMs, 1_000_000)
})

t.test('notes are told when the file changes, and not again when it stays', async (t) => {
  const { root, file } = made(t)
  const write = (...more: string[]) =>
    qemuRt(['export', 'nfd', '--config', join(root, 'rt.toml'), '--sysroot', HOST, ...more])
  t.match(write('--output', file), { status: 0, stderr: /is bound to igb/ })
  t.match(write('--output', file), { status: 0, stderr: '' })
  t.match(write(), { status: 0, stderr: /is bound to igb/ })
})

t.test('what is there and is no file stays: a link, and a device even more', async (t) => {
  const { file, root, write } = made(t)
  symlinkSync(join(root, 'other'), file)
  await t.rejects(write(), { exitCode: 64, message: /^this path exists and is not a regular file/ })
  t.ok(lstatSync(file).isSymbolicLink())
  t.equal(readFileSync(join(root, 'other'), 'utf8'), 'keep')
})

t.test('root writes in no directory that another user has, or could have put there', async (t) => {
  if (process.geteuid?.() !== 0) {
    t.pass('', { skip: 'only root is refused' })
    return
  }
  const { options, root } = made(t)
  const write = (name: string) => exportCommand('nfd', { ...options, output: join(root, name, 'qemu-rt') })
  mkdirSync(join(root, 'others/own'), { recursive: true })
  chownSync(join(root, 'others'), 65534, 65534)
  await t.rejects(write('others'), {
    exitCode: 77,
    message: /^root does not write in a directory that another/,
  })
  await write('others/own')
  renameSync(join(root, 'others/own'), join(root, 'others/was'))
  symlinkSync(join(root, 'out'), join(root, 'others/own'))
  await t.rejects(write('others/own'), { exitCode: 77, message: /^root does not write/ })
  t.strictSame(readdirSync(join(root, 'out')), [])
})

t.test('where the other system looks, no NICs of a captured host are written', async (t) => {
  // Were it not refused, the configuration that is not there would be: no test writes to that place.
  const options = { config: '/nonexistent', output: true } as const
  for (const format of Object.keys(EXPORT_FORMATS) as ExportFormatName[]) {
    await t.rejects(exportCommand(format, { ...options, sysroot: HOST }), {
      exitCode: 64,
      message: `${EXPORT_FORMATS[format].place} is for the NICs of this host, not of a captured one: --output without a name, with --sysroot; give --output the name of a FILE, or leave --sysroot out`,
    })
    for (const sysroot of ['/', '//']) {
      await t.rejects(exportCommand(format, { ...options, sysroot }), {
        exitCode: 78,
        message: /nonexistent/,
      })
    }
  }
})

t.test('what cannot be is refused in one line', async (t) => {
  const { options, root } = made(t)
  await t.rejects(exportCommand('nfd', { ...options, output: join(root, 'none/x') }), {
    exitCode: 69,
    message: /^the file cannot be written \(ENOENT\): --output /,
  })
  await t.rejects(exportCommand('sriov-dp', { ...options, expires: '600' }), {
    exitCode: 64,
    message: 'sriov-dp cannot say how long it is true: --expires; leave it out',
  })
  for (const expires of ['1', '10m', '2592001', '']) {
    await t.rejects(exportCommand('nfd', { ...options, expires }), { exitCode: 64, message: /--expires/ })
  }
})
