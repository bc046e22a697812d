import t from 'tap'
import { programOf } from '../../src/tune/program.js'
import { findTargets } from '../../src/tune/targets.js'
import { running } from './running.js'

const find = (pid: number) => findTargets({ pid: String(pid) })

t.test('a PID is that of a QEMU, whoever started it', async (t) => {
  for (const name of ['qemu-system-x86_64', 'qemu-kvm', 'kvm']) {
    const pid = await running(t, name)
    t.match(find(pid), [{ pid, record: null }], name)
  }
})

t.test('any other process is refused: its threads are no emulator', async (t) => {
  const notQemu = (pid: number) => ({
    exitCode: 69,
    message: `PID ${pid} is not a QEMU: it runs ${programOf(pid)}; see 'qemu-rt status'`,
  })
  const other = await running(t, 'mariadbd')
  t.throws(() => find(other), notQemu(other))
  t.throws(() => find(1), notQemu(1))
  // This test's own arguments, which QEMU would refuse too.
  t.throws(() => find(process.pid), notQemu(process.pid))
  t.throws(() => find(999_999_999), { exitCode: 69, message: /^no process 999999999 is visible/ })
})
