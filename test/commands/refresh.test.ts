import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { waitFor } from '../e2e/wait.js'

const checkout = fileURLToPath(new URL('../..', import.meta.url))

/** An installation of its own: launcher, links and two emulators. */
function installation(t: Test) {
  const root = t.testdir({
    bin: {},
    dist: t.fixture('symlink', join(checkout, 'dist')),
    'old-qemu': '',
    'qemu.toml': '',
  })
  cpSync(join(checkout, 'bin/qemu-rt'), join(root, 'bin/qemu-rt'))
  symlinkSync('qemu-rt', join(root, 'bin/qemu-rt-system-x86_64'))
  writeFileSync(join(root, 'qemu.toml'), `[emulators]\nx86_64 = "${root}/old-qemu"\n`)
  const launcher = join(root, 'bin/qemu-rt')
  const refresh = () =>
    spawnSync(launcher, ['refresh', '--config', join(root, 'qemu.toml')], { encoding: 'utf8' })
  const ctime = () => statSync(join(root, 'bin/qemu-rt-system-x86_64')).ctimeMs
  return { root, launcher, refresh, ctime }
}

t.test("the entry's ctime follows the real QEMU's, and only then", async (t) => {
  const { root, refresh, ctime } = installation(t)
  const before = ctime()
  t.match(refresh(), { status: 0, stdout: '', stderr: '' })
  t.equal(ctime(), before, 'QEMU is older')
  await waitFor('a later time stamp', 10, () => {
    chmodSync(join(root, 'old-qemu'), 0o755)
    return statSync(join(root, 'old-qemu')).ctimeMs > before
  })
  t.match(refresh(), {
    status: 0,
    stdout: '',
    stderr: `qemu-rt: changed since libvirt was told of it: ${root}/old-qemu; libvirt will ask again\n`,
  })
  const after = ctime()
  t.ok(after > before)
  await sleep(20)
  t.match(refresh(), { status: 0, stdout: '', stderr: '' })
  t.equal(ctime(), after, 'once is enough')
})

t.test('a configuration that is broken or names no QEMU that is there is no obstacle', async (t) => {
  const { root, refresh } = installation(t)
  writeFileSync(join(root, 'qemu.toml'), 'broken [')
  t.match(refresh(), { status: 0 })
  writeFileSync(join(root, 'qemu.toml'), '[emulators]\nx86_64 = "/nowhere/qemu"\n')
  t.match(refresh(), { status: 0, stderr: '' })
})

t.test('without a launcher that is said', async (t) => {
  const planner = join(checkout, 'dist/qemu-rt.mjs')
  const { QEMU_RT_LAUNCHER: _, ...env } = process.env
  t.match(spawnSync('node', [planner, 'cli', 'refresh'], { encoding: 'utf8', env }), {
    status: 69,
    stderr:
      'qemu-rt: there is no launcher to refresh: QEMU_RT_LAUNCHER is not set; run the installed one by its path: ' +
      '/usr/local/bin/qemu-rt refresh\n',
  })
})
