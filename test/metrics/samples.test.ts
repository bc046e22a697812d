import t from 'tap'
import type { ThreadFact } from '../../src/host/check/facts.js'
import type { Sample } from '../../src/metrics/families.js'
import { type MetricsSubject, samplesOf } from '../../src/metrics/samples.js'
import { statusOf } from '../../src/status/status.js'
import { cpus, plan, snapshot, thread, USAGE } from '../status/make.js'

const VCPUS = [
  { vcpu: 0, cpus: '4', policy: 'fifo', priority: 1 },
  { vcpu: 1, cpus: '5', policy: 'fifo', priority: 1 },
] as const

const VM = {
  pid: 10,
  plan: plan(
    'plc-1',
    { vcpus: [...VCPUS], emulator: { cpus: '0-1', policy: null, priority: null } },
    { profile: 'rt', guest: { name: 'plc-1', uuid: '4dea22b3-1d52-d8f3-2516-782e98ab3fa0' } },
  ),
  threads: [
    thread(10, 'qemu-system-x86', '0-1'),
    thread(11, 'CPU 0/KVM', '4', { policy: 'fifo', priority: 1, involuntarySwitches: 3 }),
    thread(12, 'CPU 1/KVM', '0-7', { involuntarySwitches: 9 }),
  ],
  usage: USAGE,
}

function subject(more: Partial<MetricsSubject> = {}, vms = [VM]): MetricsSubject {
  return {
    version: '1.2.3',
    status: statusOf(
      snapshot({
        vms,
        cpus: cpus('0-7', '4-7'),
        sets: { housekeeping: [0, 1], switch: null, realtime: [4, 5, 6, 7] },
      }),
      null,
    ),
    realtimeCpus: [4, 5, 6, 7],
    runDelays: new Map([[11, 0.25]]),
    threads: null,
    interrupts: null,
    checks: [],
    offers: [],
    jitter: [],
    ...more,
  }
}

const of = (samples: readonly Sample[], family: Sample['family']) =>
  samples.filter((sample) => sample.family === family).map(({ labels, value }) => [...labels, value])

t.test('a VM: who it is, its threads against the plan, what its vCPUs went through', async (t) => {
  const samples = samplesOf(subject())
  t.strictSame(of(samples, 'vm'), [['plc-1', '4dea22b3-1d52-d8f3-2516-782e98ab3fa0', 'rt', 1]])
  t.strictSame(of(samples, 'drifted'), [
    ['plc-1', 'vcpu', '0', 0],
    ['plc-1', 'vcpu', '1', 1],
    ['plc-1', 'emulator', '', 0],
  ])
  t.strictSame(of(samples, 'missing'), [['plc-1', 0]])
  t.strictSame(of(samples, 'switches'), [
    ['plc-1', '0', 3],
    ['plc-1', '1', 9],
  ])
  t.strictSame(of(samples, 'runDelay'), [['plc-1', '0', 0.25]], 'not known is not 0')
  t.strictSame(of(samples, 'free'), [['0', 2]])
})

t.test('nobody but root makes a label: not a user by a VM, not a QEMU by names of threads', async (t) => {
  const own = { ...VM, pid: 20, plan: { ...VM.plan, guest: { name: 'anybody', uuid: null }, word: 1000 } }
  const renamed = {
    ...VM,
    threads: [
      ...VM.threads,
      ...['CPU 7/KVM', 'IO made-up', 'TC other', 'worker'].map((name, index) =>
        thread(30 + index, name, '0-1'),
      ),
    ],
  }
  const samples = samplesOf(subject({}, [renamed, own]))
  t.strictSame(of(samples, 'others'), [[1]])
  const launched = { ...VM, plan: { ...VM.plan, guest: { name: 'its own word', uuid: null } } }
  t.strictSame(of(samplesOf(subject({}, [launched])), 'vm'), [['pid-10', '', 'rt', 1]])
  t.notOk(JSON.stringify(samples).includes('anybody'))
  t.notOk(JSON.stringify(samples).includes('made-up'))
  t.strictSame(
    of(samples, 'switches').map(([, vcpu]) => vcpu),
    ['0', '1'],
  )
})

t.test(
  'real-time CPUs: programs that may run there but no VM and no thread of the kernel, and interrupts',
  async (t) => {
    const fact = (pid: number, on: number[], isKernels = false): ThreadFact => ({
      pid,
      tid: pid,
      name: 'x',
      isKernels,
      isBound: false,
      policy: 'other',
      priority: 0,
      cpus: on,
      group: null,
    })
    const threads = [fact(10, [4]), fact(40, [3, 4, 5]), fact(41, [4]), fact(42, [0]), fact(2, [4], true)]
    const samples = samplesOf(
      subject({
        threads,
        interrupts: new Map([
          [4, 17],
          [0, 99],
        ]),
      }),
    )
    t.strictSame(of(samples, 'foreign'), [
      ['4', 2],
      ['5', 1],
      ['6', 0],
      ['7', 0],
    ])
    t.strictSame(of(samples, 'interrupts'), [
      ['4', 17],
      ['5', 0],
      ['6', 0],
      ['7', 0],
    ])
    t.strictSame(of(samplesOf(subject()), 'foreign'), [], 'not known is not 0')
  },
)

t.test('checks: passed, warned, failed; and nothing of what is not known', async (t) => {
  const checks = (['pass', 'note', 'warn', 'fail', 'unknown'] as const).map((level) => ({
    id: level,
    severity: 'fail' as const,
    level,
  }))
  t.strictSame(of(samplesOf(subject({ checks })), 'check'), [
    ['pass', 'fail', 0],
    ['note', 'fail', 0],
    ['warn', 'fail', 1],
    ['fail', 'fail', 2],
  ])
})

t.test('of results of one mode and profile the latest counts', async (t) => {
  const result = (mode: string, worstSeconds: number, time: number) => ({
    mode,
    profile: 'rt',
    worstSeconds,
    time,
  })
  const jitter = [result('timer', 2, 200), result('timer', 1, 100), result('spin', 3, 50)]
  t.strictSame(of(samplesOf(subject({ jitter })), 'jitterWorst'), [
    ['timer', 'rt', 2],
    ['spin', 'rt', 3],
  ])
})
