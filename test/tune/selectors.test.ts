import t from 'tap'
import type { Role } from '../../src/tune/roles.js'
import { parseSelector } from '../../src/tune/selectors.js'
import type { Thread } from '../../src/tune/threads.js'

const thread = { name: 'SPICE Worker' } as Thread
const vcpu = (number: number): Role => ({ kind: 'vcpu', vcpu: number })
const get = (text: string, role: Role) => parseSelector(text).settingFor(thread, role)

t.test('each way to say who', async (t) => {
  const one = { cpus: [4, 5], policy: null, priority: null }
  t.strictSame(get('vcpu:1=4-5', vcpu(1)), one)
  t.equal(get('vcpu:1=4-5', vcpu(0)), null)
  t.strictSame(get('vcpu:*=4-5', vcpu(7)), one)
  t.strictSame(get('vcpu:*=4-5', { kind: 'all-vcpus' }), one)
  t.equal(get('vcpu:0=4-5', { kind: 'all-vcpus' }), null)
  t.strictSame(get('vcpus=4-5', { kind: 'all-vcpus' }), one, 'one thread for all of them')
  t.strictSame(get('vcpus=4-5', vcpu(1)), { ...one, cpus: [5] }, 'one CPU each')
  t.strictSame(get('vcpus=5,4', vcpu(0)), { ...one, cpus: [5] }, 'in the order written')
  t.strictSame(get('iothread:a:b=4-5', { kind: 'iothread', id: 'a:b' }), one)
  t.strictSame(get('iothread:*=4-5', { kind: 'iothread', id: 'x' }), one)
  for (const kind of ['emulator', 'worker', 'vhost'] as const) t.strictSame(get(`${kind}=4-5`, { kind }), one)
  t.strictSame(get('name:SPICE*=4-5', { kind: 'emulator' }), one)
  t.equal(get('name:spice=4-5', { kind: 'emulator' }), null)
})

t.test('CPUs, policy and priority', async (t) => {
  t.strictSame(get('vcpu:0=:fifo:7', vcpu(0)), { cpus: null, policy: 'fifo', priority: 7 })
  t.strictSame(get('vcpu:0=4,8:rr', vcpu(0)), { cpus: [4, 8], policy: 'rr', priority: 1 })
  t.strictSame(get('emulator=:batch', { kind: 'emulator' }), { cpus: null, policy: 'batch', priority: null })
})

t.test('what does not parse is said', async (t) => {
  const todo = 'write WHO=CPUS[:POLICY[:PRIORITY]], such as vcpus=4-7:fifo:1 or iothread:disk=0-1'
  for (const [text, problem] of [
    ['vcpus', 'an = is missing'],
    ['vcpus=x', "'x' is not a list of CPUs"],
    ['vcpus=4:FIFO', "'FIFO' is not a policy; there are other, batch, idle, fifo, rr"],
    ['vcpus=4:fifo:100', 'a priority is 1 to 99, and for fifo and rr only'],
    ['vcpus=4:other:1', 'a priority is 1 to 99, and for fifo and rr only'],
    ['vcpus=4:fifo:1:2', "there is more after the priority: '2'"],
    [
      'vcpu:x=4',
      "'vcpu:x' is not one of vcpus, vcpu:N, iothread:ID, emulator, worker, vhost, io_uring, kvm, thread-context:ID, name:GLOB",
    ],
    [
      'constructor=4',
      "'constructor' is not one of vcpus, vcpu:N, iothread:ID, emulator, worker, vhost, io_uring, kvm, thread-context:ID, name:GLOB",
    ],
  ] as const) {
    t.throws(() => parseSelector(text), {
      exitCode: 64,
      message: `--set '${text}' does not parse: ${problem}; ${todo}`,
    })
  }
  t.throws(() => get('vcpus=4', vcpu(1)), { message: /there is no CPU for vCPU 1/ })
})
