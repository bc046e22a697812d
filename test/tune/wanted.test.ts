import t from 'tap'
import { readRequest } from '../../src/plan/request.js'
import { parseSelector } from '../../src/tune/selectors.js'
import { checkToldApart, wantedBySelectors } from '../../src/tune/wanted.js'
import { UNSET } from './thread.js'

const threads = (...names: string[]) =>
  names.map((name, index) => ({ ...UNSET, tid: 10 + index, name, startTicks: index }))
const UNNAMED = threads('qemu-system-x86', 'qemu-system-x86', 'qemu-system-x86')
const NAMED = threads('qemu-system-x86', 'qemu-system-x86', 'CPU 0/KVM')

const lineOf = (...args: string[]) =>
  readRequest({ entry: 'qemu-system-x86_64', args, env: {}, hostArch: 'x64' }).line

const REFUSED = {
  exitCode: 69,
  message:
    /^QEMU's threads cannot be told apart: .*vCPUs.*emulator threads; start QEMU with -name …,debug-threads=on/,
}

t.test('a QEMU that names no vCPU is not tuned, unless it has only just started', async (t) => {
  for (const line of [null, lineOf(), lineOf('-name', 'C'), lineOf('-name', 'C,debug-threads=off')]) {
    t.throws(() => checkToldApart(UNNAMED, line), REFUSED)
    t.doesNotThrow(() => checkToldApart(NAMED, line))
    t.doesNotThrow(() => checkToldApart(threads('qemu-system-x86', 'ALL CPUs/TCG'), line))
  }
  t.doesNotThrow(() => checkToldApart(UNNAMED, lineOf('-name', 'C,debug-threads=on')))
})

t.test('nor are its emulator threads by --set, among which its vCPUs would be', async (t) => {
  const set = (text: string, among = UNNAMED, line = lineOf('-name', 'C')) =>
    wantedBySelectors(among, { unnamed: [], line }, [parseSelector(text)]).map(
      ({ setting }) => setting?.cpus?.join() ?? null,
    )
  t.throws(() => set('emulator=0:fifo:1'), REFUSED)
  t.strictSame(set('emulator=0', NAMED), ['0', '0', null])
  t.strictSame(set('emulator=0', UNNAMED, lineOf('-name', 'C,debug-threads=on')), ['0', '0', '0'])
  t.strictSame(set('name:qemu*=0'), ['0', '0', '0'], 'whoever gives the names means all of that name')
  t.throws(() => set('vcpus=0'), { message: /matches no thread: .*debug-threads=on/ })
})
