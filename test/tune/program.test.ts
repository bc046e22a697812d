import t from 'tap'
import { parseCommandLine, wordsOf } from '../../src/argv/command-line.js'
import { isOfLaunch, isQemu } from '../../src/tune/program.js'
import { running } from './running.js'

const GUEST = ['-name', 'guest=a', '-M', 'q35']

const is = (pid: number, args: readonly string[]) => isQemu(pid, parseCommandLine(wordsOf(args)))

t.test('a QEMU is known by the name of its file', async (t) => {
  const names = ['qemu-system-x86_64', 'qemu-system-amd64', 'qemu-kvm', 'kvm', '.qemu-system-aarch64-wrapped']
  for (const name of names) t.ok(is(await running(t, name), []), name)
  for (const name of ['qemu-img', 'kvm-clock', 'sleep']) t.notOk(is(await running(t, name), []), name)
})

t.test('or by its arguments; what starts one has them, too, and more', async (t) => {
  const other = await running(t, 'emulator')
  t.ok(is(other, GUEST))
  t.notOk(is(other, ['-M', 'q35']), 'a guest without a name cannot be asked for by it')
  t.notOk(is(other, ['-f', 'qemu-system-x86_64', ...GUEST]))
  t.notOk(is(other, ['20', 'qemu-system-x86_64', ...GUEST]))
  t.notOk(is(await running(t, 'dash'), GUEST))
})

t.test('a program of the launch is known by its file', async (t) => {
  t.ok(isOfLaunch(await running(t, 'taskset')))
  t.notOk(isOfLaunch(await running(t, 'qemu-system-x86_64')))
})
