import fc from 'fast-check'
import t from 'tap'
import {
  type Cause,
  findCauses,
  type OtherThread,
  type Question,
  type Snapshot,
} from '../../../src/jitter/cause/causes.js'
import {
  grown,
  parseNamed,
  parsePerCpu,
  parseSchedstat,
  parseSteal,
} from '../../../src/jitter/cause/counters.js'
import { formatCauses } from '../../../src/jitter/cause/text.js'

/** CPU 2 is offline: it has no column. */
const INTERRUPTS = `           CPU0       CPU1       CPU3
  0:         44          0          0   IO-APIC   2-edge      timer
 35:          0          1          7 IR-PCI-MSI-0000:00:1f.2    0-edge      ahci[0000:00:1f.2]
 36:          0    7197258          2  PCI-MSIX-0000:00:02.0   1-edge      virtio1-req.0, other
NMI:          1          2          3   Non-maskable interrupts
LOC:   17661459   16954608   11954608   Local timer interrupts
ERR:          5
MIS:          6
`

t.test('/proc/interrupts and /proc/softirqs: the columns of CPUs by their numbers', async (t) => {
  t.strictSame(
    [...(parsePerCpu(INTERRUPTS, [3]) ?? [])],
    [
      ['0 timer', 0],
      ['35 ahci[0000:00:1f.2]', 7],
      ['36 virtio1-req.0, other', 2],
      ['NMI Non-maskable interrupts', 3],
      ['LOC Local timer interrupts', 11_954_608],
    ],
  )
  t.equal(parsePerCpu(INTERRUPTS, [0, 1, 2])?.get('NMI Non-maskable interrupts'), 3)
  t.equal(parsePerCpu(INTERRUPTS, [2]), null, 'offline')
  t.equal(parsePerCpu('', [0]), null)
  const softirqs =
    '                    CPU0       CPU1\n          HI:          0          4\n       TIMER:       3         5\n'
  t.strictSame(
    [...(parsePerCpu(softirqs, [1]) ?? [])],
    [
      ['HI', 4],
      ['TIMER', 5],
    ],
  )
})

t.test('times of a thread and of a hypervisor beneath, and named numbers', async (t) => {
  t.strictSame(parseSchedstat('81234567 55162 12\n'), { run: 81_234_567, delay: 55_162 })
  for (const text of ['', '0 0', 'x 1 2', '1 2 3 4']) t.equal(parseSchedstat(text), null, text)
  const stat =
    'cpu  9 9 9 9 9 9 9 9 1 2\ncpu0 1 0 0 0 0 0 785 3 0 0\ncpu1 1 0 0 0 0 0 7526 4 1 2\ncpu11 1 0 0 0 0 0 0 5 0 0\n'
  t.equal(parseSteal(stat, [1]), 40_000)
  t.equal(parseSteal(stat, [0, 11]), 80_000)
  t.equal(parseSteal(stat, [2]), null)
  t.equal(parseSteal('', [0]), null)
  t.strictSame(
    [
      ...parseNamed('nr_throttled 3\nvoluntary_ctxt_switches:\t9\nxnr_throttled 8\n', [
        'nr_throttled',
        'voluntary_ctxt_switches',
        'none',
      ]),
    ],
    [
      ['nr_throttled', 3],
      ['voluntary_ctxt_switches', 9],
    ],
  )
  t.strictSame(
    grown(
      new Map([
        ['a', 1],
        ['b', 5],
        ['c', 9],
      ]),
      new Map([
        ['a', 3],
        ['b', 5],
        ['c', 19],
        ['new', 4],
      ]),
    ),
    [
      ['c', 10],
      ['new', 4],
      ['a', 2],
    ],
  )
  t.equal(grown(null, new Map()), null)
})

t.test('whatever a file says, it is read or it is not', async () => {
  fc.assert(
    fc.property(fc.string(), fc.array(fc.nat(8)), (text, cpus) => {
      parsePerCpu(text, cpus)
      parsePerCpu(INTERRUPTS + text, cpus)
      parseSteal(text, cpus)
      parseSchedstat(text)
    }),
  )
})

const BEFORE: Snapshot = {
  atMs: 1000,
  cpus: [1],
  runDelay: 100,
  involuntary: 1,
  voluntary: 2,
  minorFaults: 3,
  majorFaults: 4,
  interrupts: new Map([['LOC Local timer interrupts', 100]]),
  softirqs: new Map([['TIMER', 1]]),
  exits: new Map([['halt', 1]]),
  smis: 7,
  hot: 0,
  steal: 40_000,
  quota: { times: 0, waited: 0 },
  throttling: { runtime: -1, release: '6.1.0', hasGroups: null },
  threads: new Map(),
}

const QUESTION: Question = {
  ...{ vcpu: 0, policy: 'fifo', accelerator: 'kvm', sleeps: false },
  worstMicroseconds: 4000,
}

const causesOf = (
  after: Partial<Snapshot>,
  question: Partial<Question> = {},
  before: Partial<Snapshot> = {},
) => findCauses({ ...QUESTION, ...question }, { ...BEFORE, ...before }, { ...BEFORE, atMs: 11_000, ...after })

const verdicts = (causes: readonly Cause[]) =>
  Object.fromEntries(causes.map(({ id, verdict }) => [id, verdict]))

t.test('what did not happen, or took less in all, cannot be the worst gap', async (t) => {
  const { causes, notRead, seconds } = causesOf({})
  t.equal(seconds, 10)
  t.strictSame(notRead, [])
  // 10 ms of a hypervisor may hide between two ticks.
  t.strictSame(
    causes.filter(({ verdict }) => verdict !== 'cannot').map(({ id, verdict }) => [id, verdict]),
    [['steal', 'may']],
  )
  t.equal(verdicts(causesOf({}, { worstMicroseconds: 20_000 }).causes).steal, 'cannot')
  t.equal(verdicts(causesOf({ runDelay: 3000 }).causes).waiting, 'cannot', '2.9 ms in all')
  t.equal(verdicts(causesOf({ runDelay: 4100 }).causes).waiting, 'can')
  t.equal(verdicts(causesOf({ steal: 50_000 }).causes).steal, 'can')
  t.equal(verdicts(causesOf({ smis: 8 }).causes).smi, 'may', 'how long it took nobody counts')
  t.equal(verdicts(causesOf({ quota: { times: 3, waited: 90_000 } }).causes).quota, 'can')
})

t.test('the one with the longest time is named first', async (t) => {
  const other = (tid: number, name: string, run: number, isBound: boolean): [string, OtherThread] => [
    `${tid} 1`,
    { tid, name, run, isBound, wasThere: true },
  ]
  const report = causesOf(
    {
      runDelay: 6_400_100,
      involuntary: 313,
      steal: 60_000,
      interrupts: new Map([
        ['LOC Local timer interrupts', 2600],
        ['36 disk', 4],
      ]),
      threads: new Map([
        other(5, 'kworker/1:0', 900, true),
        other(9, 'stress', 6_300_000, true),
        other(7, 'free', 5000, false),
      ]),
    },
    {},
    { threads: new Map([other(5, 'kworker/1:0', 400, true)]) },
  )
  const [first, second] = report.causes
  t.match(first, { id: 'waiting', count: 312, microseconds: 6_400_000, verdict: 'can' })
  t.equal(second?.id, 'steal')
  t.strictSame(formatCauses(report), [
    'what can explain the worst of vCPU 0, 4 ms (10 s, CPU 1):',
    'can:   waited for its CPU 6400 ms in all (64 %), taken off it 312 times; there meanwhile: stress (9) 6300 ms, free (7) up to 5 ms, kworker/1:0 (5) 500 us',
    'can:   a hypervisor beneath this host had the CPU 20 ms in all (0.2 %), counted in steps of 10 ms',
    'may:   2504 interrupts (250 a second): LOC Local timer interrupts 2500, 36 disk 4',
    'cannot, as there were none: real-time throttling, a CPU quota, SMIs, thermal throttling, page faults with I/O, page faults, sleeps, KVM exits, softirqs',
  ])
})

t.test('what is short in all is said with its length', async (t) => {
  t.ok(
    formatCauses(causesOf({ runDelay: 1100, involuntary: 3 })).includes(
      'cannot: waited for its CPU 1 ms in all (0.01 %), taken off it 2 times',
    ),
  )
})

t.test('throttling is as it is set; a guest that halts sleeps by design; no KVM, no exits', async (t) => {
  const throttling = { runtime: 950_000, release: '6.1.0', hasGroups: null }
  const { causes } = causesOf({ throttling })
  t.equal(verdicts(causes).throttling, 'may')
  t.equal(verdicts(causesOf({ throttling }, { policy: 'other' }).causes).throttling, 'cannot')
  // A kernel with the fair server throttles groups alone.
  const withFairServer = { ...throttling, release: '6.12.0', hasGroups: false }
  t.equal(verdicts(causesOf({ throttling: withFairServer }).causes).throttling, 'cannot')
  t.equal(verdicts(causesOf({ voluntary: 99 }).causes).sleep, 'may')
  t.equal(verdicts(causesOf({ voluntary: 99 }, { sleeps: true }).causes).sleep, undefined)
  const emulated = causesOf({ exits: null }, { accelerator: 'tcg' })
  t.notOk([...emulated.causes, ...emulated.notRead].some(({ id }) => id === 'exit'))
})

t.test('nothing is claimed that was not read', async (t) => {
  const nothing = Object.fromEntries(Object.keys(BEFORE).map((key) => [key, null]))
  const throttling = { ...BEFORE.throttling, runtime: null }
  const after = { ...BEFORE, ...nothing, atMs: 2000, cpus: [1], throttling }
  const { causes, notRead } = findCauses(QUESTION, BEFORE, after)
  t.strictSame(causes, [])
  t.equal(notRead.length, 12)
  const lines = formatCauses({ ...causesOf({}), causes, notRead })
  t.equal(lines[1], 'can:   nothing that was counted')
  t.match(lines.join('\n'), /\nnot read: SMIs: no \/dev\/cpu\/N\/msr of an Intel processor/)
})
