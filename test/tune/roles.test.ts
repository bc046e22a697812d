import t from 'tap'
import type { ThreadPlan } from '../../src/plan/threads/thread-plan.js'
import { deviations } from '../../src/tune/deviations.js'
import { describeRole, isPromised, rolesOf } from '../../src/tune/roles.js'
import { summarize } from '../../src/tune/summary.js'
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
  unnamed: [
    { type: 'iothread', id: 'iothread-disk-a' },
    { type: 'iothread', id: 'iothread-disk-b' },
  ],
  workers: null,
  vhost: { cpus: [1], policy: 'batch', priority: null },
}

const roles = (...names: string[]) =>
  [...rolesOf(threadsNamed(...names), PLAN.unnamed ?? []).values()].map(describeRole)

t.test('threads are told apart by the names that QEMU and the kernel give them', async (t) => {
  const expected: [string, string][] = [
    ['qemu-system-x86', 'emulator'],
    ['call_rcu', 'emulator'],
    ['IO mon_iothread', 'emulator'],
    ['TC tc1', 'thread context tc1'],
    ['IO net', 'I/O thread net'],
    ['CPU 0/KVM', 'vCPU 0'],
    ['CPU 12/TCG', 'vCPU 12'],
    ['worker', 'worker'],
    ['vhost-100', 'vhost'],
    ['kvm', 'emulator'],
    ['kvm-nx-lpage-re', 'kvm'],
    ['kvm-pit/100', 'kernel'],
    ['kvm-nx-lpage-recovery-100', 'kernel'],
    ['iou-wrk-4194304', 'io_uring'],
    ['iou-sqp-101', 'io_uring'],
    ['iou-mgr-102', 'io_uring'],
    ['iou-wrk-', 'emulator'],
    ['vhost-user', 'emulator'],
  ]
  t.strictSame(
    roles(...expected.map(([name]) => name)),
    expected.map(([, role]) => role),
  )
  t.strictSame(roles('ALL CPUs/TCG', 'IO net'), ['all vCPUs', 'I/O thread net'])
})

t.test('threads that QEMU cannot name are told by the order of their making', async (t) => {
  const [main, rcu] = ['qemu-system-x86', 'call_rcu']
  const [a, b] = ['I/O thread iothread-disk-a', 'I/O thread iothread-disk-b']
  for (const first of [main, rcu]) {
    t.strictSame(
      roles(main, first, main, 'IO short', main, 'CPU 0/KVM'),
      ['emulator', 'emulator', a, 'I/O thread short', b, 'vCPU 0'],
      'the thread of the RCU has a name or not',
    )
  }
  t.strictSame(
    roles('vm', main, 'vm', 'vm', 'ALL CPUs/TCG', 'vm'),
    ['emulator', 'emulator', a, b, 'all vCPUs', 'emulator'],
    'a process with a name of its own; what comes after the vCPUs is none of them',
  )
  const unknown: string[][] = [
    [main, rcu, main, main],
    [main, rcu, main, 'CPU 0/KVM'],
    [main, rcu, main, main, main, 'CPU 0/KVM'],
  ]
  for (const names of unknown) {
    t.notOk(
      roles(...names).some((role) => role.startsWith('I/O')),
      `not shown by ${names.join(', ')}`,
    )
  }
})

t.test(
  'what strict promises: vCPUs and I/O threads; others but for EINVAL; never what is not theirs',
  async (t) => {
    const kinds = [
      ...rolesOf(threadsNamed('CPU 0/KVM', 'IO net', 'x', 'worker', 'vhost-1', 'iou-wrk-1', 'TC a'), []),
    ]
    const promised = (reason: string) => kinds.map(([, role]) => isPromised(role, reason))
    t.strictSame(promised('EINVAL'), [true, true, false, false, false, false, false])
    t.strictSame(promised('EPERM'), [true, true, true, true, false, false, false])
  },
)

t.test(
  'thread contexts stay where they are; a thread that the kernel keeps on its CPUs does not differ',
  async (t) => {
    const [context, bound] = threadsNamed('TC a', 'iou-wrk-1')
    if (context === undefined || bound === undefined) throw new Error('two threads were made')
    t.strictSame(deviations([context, { ...bound, cpus: [3], isBound: true }], PLAN), [])
    t.strictSame(
      deviations([context, { ...bound, cpus: [3] }], {
        ...PLAN,
        contexts: { cpus: [3], policy: null, priority: null },
      }).map(({ role }) => role.kind),
      ['thread-context', 'io_uring'],
    )
  },
)

t.test(
  'a thread that the kernel keeps on other CPUs is not made real-time there, whatever QEMU calls it',
  async (t) => {
    const [vcpu] = threadsNamed('CPU 0/KVM')
    if (vcpu === undefined) throw new Error('a thread was made')
    const setting = { cpus: [4], policy: 'fifo' as const, priority: 1 }
    const plan = { ...PLAN, vcpus: [{ vcpu: 0, ...setting }] }
    const differs = (cpus: number[]) =>
      deviations([{ ...vcpu, cpus, isBound: true }], plan).flatMap((one) => one.differs)
    t.strictSame(differs([0]), [], 'a ring of QEMU’s that it has bound to CPU 0 and renamed')
    t.strictSame(differs([4]), ['policy'])
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

t.test('one thread for all vCPUs has the CPUs of those that are as urgent as the first', async (t) => {
  const all = (...vcpus: ThreadPlan['vcpus']) =>
    deviations(threadsNamed('ALL CPUs/TCG'), { ...PLAN, vcpus })[0]?.setting
  const fifo = (vcpu: number) => ({ vcpu, cpus: [4 + vcpu], policy: 'fifo' as const, priority: 1 })
  const other = (vcpu: number) => ({ vcpu, cpus: [vcpu], policy: 'other' as const, priority: null })
  t.strictSame(all(fifo(0), fifo(1), other(2)), { cpus: [4, 5], policy: 'fifo', priority: 1 })
  t.strictSame(all(other(0), fifo(1)), { cpus: [0], policy: 'other', priority: null })
})

t.test(
  'a log tells of planned threads by name, of others by kind: how many there are is QEMU’s to say',
  async (t) => {
    const names = Array.from({ length: 2000 }, (_, index) => `IO x${index}`)
    const text = summarize(threadsNamed('qemu', ...names), PLAN)
    t.ok(text.length < 1000, `${text.length} characters`)
    t.match(text, /other I\/O threads on CPU/)
  },
)
