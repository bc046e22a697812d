import t from 'tap'
import type { ThreadPlan } from '../../src/plan/threads/thread-plan.js'
import { deviations } from '../../src/tune/deviations.js'
import { describeRole, rolesOf } from '../../src/tune/roles.js'
import type { Thread } from '../../src/tune/threads.js'

/** Threads of these names, oldest first. */
function threadsNamed(...names: string[]): Thread[] {
  return names.map((name, index) => ({
    tid: 100 + index,
    name,
    cpus: [0, 1],
    policy: 'other',
    priority: 0,
    lastCpu: 0,
    ticks: 0,
    involuntarySwitches: 0,
  }))
}

const PLAN: ThreadPlan = {
  vcpus: [
    { vcpu: 0, cpus: [4], policy: 'fifo', priority: 1 },
    { vcpu: 1, cpus: [5], policy: null, priority: null },
  ],
  emulator: { cpus: [0, 1], policy: null, priority: null },
  iothreads: [
    { id: 'iothread-disk-a', cpus: [2], policy: null, priority: null },
    { id: 'iothread-disk-b', cpus: [3], policy: null, priority: null },
  ],
  workers: null,
  vhost: { cpus: [1], policy: 'batch', priority: null },
}

const roles = (...names: string[]) =>
  [...rolesOf(threadsNamed(...names), ['iothread-disk-a', 'iothread-disk-b']).values()].map(describeRole)

t.test("threads are told apart by QEMU's names", async (t) => {
  t.strictSame(
    roles(
      'qemu-system-x86',
      'call_rcu',
      'IO mon_iothread',
      'CPU 0/KVM',
      'CPU 12/TCG',
      'worker',
      'vhost-100',
      'kvm',
    ),
    ['emulator', 'emulator', 'emulator', 'vCPU 0', 'vCPU 12', 'worker', 'vhost', 'emulator'],
  )
  t.strictSame(roles('ALL CPUs/TCG', 'IO net'), ['all vCPUs', 'I/O thread net'])
})

t.test(
  'I/O threads whose names are cut to the same text are told apart by the order of their making',
  async (t) => {
    t.strictSame(roles('IO iothread-dis', 'IO iothread-dis', 'IO iothread-dis'), [
      'I/O thread iothread-disk-a',
      'I/O thread iothread-disk-b',
      'I/O thread iothread-dis',
    ])
  },
)

t.test('what differs from the plan, and only that', async (t) => {
  const threads = threadsNamed(
    'qemu',
    'CPU 0/KVM',
    'CPU 1/KVM',
    'worker',
    'vhost-100',
    'IO later',
    'CPU 2/KVM',
  )
  t.strictSame(
    deviations(threads, PLAN).map(({ role, differs }) => [describeRole(role), ...differs]),
    [
      ['vCPU 0', 'cpus', 'policy'],
      ['vCPU 1', 'cpus'],
      ['vhost', 'cpus', 'policy'],
    ],
  )
  const set = threads.map((thread) =>
    thread.name === 'CPU 0/KVM' ? { ...thread, cpus: [4], policy: 'fifo' as const, priority: 2 } : thread,
  )
  t.strictSame(deviations(set, PLAN)[0]?.differs, ['policy'], 'a priority that is another')
})

t.test('one thread for all vCPUs has the CPUs of all of them', async (t) => {
  const [all] = deviations(threadsNamed('ALL CPUs/TCG'), PLAN)
  t.strictSame(all?.setting, { cpus: [4, 5], policy: 'fifo', priority: 1 })
})
