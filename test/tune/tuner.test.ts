import { spawn } from 'node:child_process'
import t from 'tap'
import { startOf } from '../../src/host/process.js'
import { NEW_VM } from '../../src/record/vm.js'
import { tuneQemu } from '../../src/tune/tuner.js'

t.test('a process that has got the number of a QEMU is not tuned in its place', async (t) => {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' })
  t.teardown(() => child.kill('SIGKILL'))
  const pid = child.pid ?? 0
  const now = startOf(pid)
  if (now === null) throw new Error('sleep does not run')
  const threads = {
    vcpus: [],
    emulator: { cpus: null, policy: 'batch' as const, priority: null },
    iothreads: [],
    workers: null,
    vhost: null,
  }
  const vm = { ...NEW_VM, id: '1-1-abcdefgh', threads }
  t.match(await tuneQemu(vm, threads, { pid, startTicks: now - 1 }, Date.now()), { kind: 'ended', pid })
  t.equal(startOf(pid), now, 'it was not followed until its end')
})
