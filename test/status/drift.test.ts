import t from 'tap'
import { driftOf } from '../../src/status/drift.js'
import { statusOf } from '../../src/status/status.js'
import { plan, snapshot, thread } from './make.js'

const ROLE = { kind: 'vcpu', vcpu: 0 } as const
const WANTED = { cpus: [4], policy: 'fifo', priority: 1 } as const
const FIFO = { policy: 'fifo', priority: 1 } as const

for (const [what, actual, wanted, expected] of [
  ['as planned', thread(1, 'CPU 0/KVM', '4', FIFO), WANTED, []],
  ['on other CPUs', thread(1, 'CPU 0/KVM', '0-7', FIFO), WANTED, ['cpus']],
  ['with another policy', thread(1, 'CPU 0/KVM', '4'), WANTED, ['policy']],
  ['with another priority', thread(1, 'CPU 0/KVM', '4', { ...FIFO, priority: 2 }), WANTED, ['priority']],
  ['with nothing as planned', thread(1, 'CPU 0/KVM', '0-7'), WANTED, ['cpus', 'policy']],
  [
    'with a policy that the plan says nothing of',
    thread(1, 'CPU 0/KVM', '4', FIFO),
    { cpus: [4], policy: null, priority: null },
    [],
  ],
  [
    'on CPUs that the plan says nothing of',
    thread(1, 'CPU 0/KVM', '0-7', FIFO),
    { ...WANTED, cpus: null },
    [],
  ],
  ['that the plan says nothing of', thread(1, 'CPU 0/KVM', '0-7', FIFO), null, []],
] as const) {
  t.test(`a thread ${what}`, async (t) => {
    t.same(driftOf(actual, ROLE, wanted), expected)
  })
}

t.test('each thread is compared with what its kind is to get', async (t) => {
  const threads = [
    thread(10, 'qemu-system-x86', '0-1'),
    thread(11, 'IO iothread1', '0-7'),
    thread(12, 'CPU 10/KVM', '5'),
    thread(13, 'CPU 2/KVM', '4'),
    thread(14, 'worker', '0-1'),
    thread(15, 'vhost-10', '0-7'),
  ]
  const settings = {
    vcpus: [
      { vcpu: 2, cpus: '4' },
      { vcpu: 10, cpus: '4' },
    ],
    emulator: { cpus: '0-1' },
    iothreads: [{ id: 'iothread1', cpus: '1' }],
  }
  const made = { pid: 10, plan: plan('plc-1', settings), threads, usage: null }
  const [vm] = statusOf(snapshot({ vms: [made] }), null).vms
  t.same(
    vm?.threads.map(({ thread, wanted, drift }) => [thread.name, wanted?.cpus ?? null, drift]),
    [
      ['CPU 2/KVM', [4], []],
      ['CPU 10/KVM', [4], ['cpus']],
      ['IO iothread1', [1], ['cpus']],
      ['qemu-system-x86', [0, 1], []],
      ['worker', [0, 1], []],
      ['vhost-10', null, []],
    ],
  )
})

t.test('rates and switches are counted from the snapshot before', async (t) => {
  const at = (ticks: number, involuntarySwitches: number) => [
    thread(10, 'qemu-system-x86', '0-1'),
    thread(11, 'CPU 0/KVM', '4', { ticks, involuntarySwitches }),
  ]
  const vm = (threads: ReturnType<typeof at>) => ({
    pid: 10,
    plan: plan('plc-1', null),
    threads,
    usage: null,
  })
  const before = snapshot({ at: 1000, vms: [vm(at(100, 7))] })
  const now = snapshot({ at: 3000, vms: [vm(at(300, 12))] })
  t.match(statusOf(now, before), {
    seconds: 2,
    vms: [{ threads: [{ newSwitches: 5, cpuPercent: 100 }, {}] }],
  })
  t.match(statusOf(now, null), {
    seconds: null,
    vms: [{ threads: [{ newSwitches: null, cpuPercent: null }, {}] }],
  })
  const other = { ...vm(at(0, 0)), plan: plan('plc-2', null) }
  t.match(
    statusOf(now, snapshot({ at: 1000, vms: [other] })),
    { vms: [{ threads: [{ newSwitches: null }, {}] }] },
    'a PID that another VM had before',
  )
})

t.test('threads that are to be there from the start are missed', async (t) => {
  const settings = {
    vcpus: [{ vcpu: 0, cpus: '4' }, { vcpu: 1, cpus: '5' }, { vcpu: 2 }],
    iothreads: [{ id: 'iothread1', cpus: '0' }],
  }
  const missing = (names: readonly string[]) => {
    const threads = ['qemu-system-x86', ...names].map((name, index) => thread(10 + index, name, '0'))
    const made = { pid: 10, plan: plan('plc-1', settings, { vcpusAtStart: 2 }), threads, usage: null }
    return statusOf(snapshot({ vms: [made] }), null).vms[0]?.missing
  }
  t.same(missing([]), ['vCPU 0', 'vCPU 1', 'I/O thread iothread1'])
  t.same(missing(['CPU 0/KVM', 'IO iothread1']), ['vCPU 1'])
  t.same(missing(['CPU 0/KVM', 'CPU 1/KVM', 'IO iothread1']), [])
  t.same(missing(['ALL CPUs/TCG', 'IO iothread1']), [], 'one thread for all vCPUs')
})

t.test('VMs come by name, with numbers in their order', async (t) => {
  const vms = ['plc-10', 'plc-2', null, 'plc-1'].map((name, index) => {
    return { pid: 10 - index, plan: plan(name, null), threads: [], usage: null }
  })
  t.same(
    statusOf(snapshot({ vms }), null).vms.map(({ guest }) => guest.name),
    [null, 'plc-1', 'plc-2', 'plc-10'],
  )
})
