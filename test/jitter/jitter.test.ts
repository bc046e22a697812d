import fc from 'fast-check'
import t from 'tap'
import { explainJitter, type JitterFacts } from '../../src/jitter/explain.js'
import { jitterToJson } from '../../src/jitter/json.js'
import { formatMicroseconds } from '../../src/jitter/microseconds.js'
import { type JitterRecord, makeRecordReader } from '../../src/jitter/record.js'
import { type JitterResult, summarize } from '../../src/jitter/result.js'
import { formatJitter } from '../../src/jitter/text.js'
import { hasFairServer } from '../../src/units/kernel-release.js'

function bytesOf({ number, ticks, largest, counts }: JitterRecord): Buffer {
  const bytes = Buffer.alloc(144)
  bytes.write('QRTJ')
  for (const [index, value] of [number, ticks, largest, ...counts].entries())
    bytes.writeUInt32LE(value, 4 + index * 4)
  return bytes
}

// Without the magic's letters: a count that looks like a record's beginning is beyond what is claimed.
const record = fc.record({
  number: fc.nat(1000),
  ticks: fc.nat(1000),
  largest: fc.nat(1000),
  counts: fc.array(fc.nat(1000), { minLength: 32, maxLength: 32 }),
})

t.test(
  'records are read however the stream is cut, with anything before the first and a piece at the end',
  async () => {
    fc.assert(
      fc.property(
        fc.array(record, { maxLength: 4 }),
        fc.uint8Array({ maxLength: 20 }).filter((bytes) => !Buffer.from(bytes).includes('Q')),
        fc.nat(143),
        fc.array(fc.nat(700), { maxLength: 8 }),
        (records, before, rest, cuts) => {
          const last = bytesOf({ number: 9, ticks: 9, largest: 9, counts: Array(32).fill(9) }).subarray(
            0,
            rest,
          )
          const stream = Buffer.concat([before, ...records.map(bytesOf), last])
          const read = makeRecordReader()
          const places = [
            0,
            ...cuts.filter((cut) => cut < stream.length).sort((a, b) => a - b),
            stream.length,
          ]
          const found = places.slice(1).flatMap((end, index) => read(stream.subarray(places[index], end)))
          return JSON.stringify(found) === JSON.stringify(records)
        },
      ),
    )
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), (chunks) => {
        const read = makeRecordReader()
        for (const chunk of chunks) read(Buffer.from(chunk))
      }),
    )
  },
)

const counts = (given: Record<number, number>) =>
  Array.from({ length: 32 }, (_, bucket) => given[bucket] ?? 0)

t.test('ticks become microseconds by when records came', async (t) => {
  const one = (number: number, largest: number, given: Record<number, number>) => ({
    number,
    ticks: 2_000_000_000,
    largest,
    counts: counts(given),
  })
  const result = summarize([
    { record: one(1, 5000, { 5: 10, 7: 1 }), atMs: 1000 },
    { record: one(2, 400_000, { 5: 20, 8: 2 }), atMs: 2000 },
    { record: one(3, 60, { 5: 30 }), atMs: 3000 },
  ])
  t.match(result, { ticksPerMicrosecond: 2000, seconds: 3, worstMicroseconds: 200 })
  t.strictSame(
    result.histogram.map(({ fromMicroseconds, count }) => [fromMicroseconds * 2000, count]),
    [
      [32, 60],
      [64, 0],
      [128, 1],
      [256, 2],
    ],
  )
})

t.test(
  'a gap that may have gone once around 32 bits of ticks says nothing of how fast they are',
  async (t) => {
    const one = (atMs: number, ticks: number, largest: number) => ({
      record: { number: 1, ticks, largest, counts: counts({ 5: 1 }) },
      atMs,
    })
    const slept = [one(1000, 1e9, 60), one(6000, 5, 2 ** 32 - 1), one(7000, 1e9, 60)]
    t.match(summarize(slept), { ticksPerMicrosecond: 1000, seconds: 7, worstMicroseconds: 4_294_967.295 })
  },
)

const BEST_EFFORT: JitterResult = {
  profile: null,
  accelerator: 'kvm',
  vcpu: { number: 0, cpus: '0-1', policy: 'other', priority: 0 },
  seconds: 10,
  ticksPerMicrosecond: 1000,
  worstMicroseconds: 12_900,
  histogram: [
    { fromMicroseconds: 0.512, toMicroseconds: 1.024, count: 1_000_000 },
    { fromMicroseconds: 1.024, toMicroseconds: 2.048, count: 0 },
    { fromMicroseconds: 131.072, toMicroseconds: 262.144, count: 7 },
    { fromMicroseconds: 8388.608, toMicroseconds: 16_777.216, count: 1 },
  ],
  explanations: [
    'the vCPU was other: whatever runs on its CPU takes turns with it; use a profile with policy = "fifo"',
  ],
}

// Its counter was measured a little faster: the same powers of ticks are a little shorter.
const PROFILE: JitterResult = {
  profile: 'rt',
  accelerator: 'kvm',
  vcpu: { number: 1, cpus: '4', policy: 'fifo', priority: 1 },
  seconds: 10,
  ticksPerMicrosecond: 1001,
  worstMicroseconds: 300,
  histogram: [
    { fromMicroseconds: 256 / 1001, toMicroseconds: 512 / 1001, count: 3 },
    { fromMicroseconds: 512 / 1001, toMicroseconds: 1024 / 1001, count: 900_000 },
    { fromMicroseconds: 262_144 / 1001, toMicroseconds: 524_288 / 1001, count: 2 },
  ],
  explanations: ['the kernel is not PREEMPT_RT'],
}

t.test('a histogram for people, and what explains it', async (t) => {
  t.equal(
    formatJitter([BEST_EFFORT]),
    `Best effort, KVM, 10 s: worst gap 13 ms
  vCPU 0 on CPU 0-1, other
  gaps: 8 over 100 us, 1 over 1 ms, 0 over 10 ms

  gaps from    count
     512 ns  1000000  ##########################################################
       1 us        0
       2 us        0
     4.1 us        0
     8.2 us        0
      16 us        0
      33 us        0
      66 us        0
     131 us        7  #########
     262 us        0
     524 us        0
       1 ms        0
     2.1 ms        0
     4.2 ms        0
     8.4 ms        1  ###

  - the vCPU was other: whatever runs on its CPU takes turns with it; use a
    profile with policy = "fifo"
`,
  )
})

t.test('two runs side by side, a row for the same gaps, with what explains the second', async (t) => {
  const text = formatJitter([BEST_EFFORT, PROFILE])
  t.equal(
    text,
    `Best effort, KVM, 10 s: worst gap 13 ms
  vCPU 0 on CPU 0-1, other
  gaps: 8 over 100 us, 1 over 1 ms, 0 over 10 ms
Profile 'rt', KVM, 10 s: worst gap 300 us
  vCPU 1 on CPU 4, fifo 1
  gaps: 2 over 100 us, 0 over 1 ms, 0 over 10 ms

             Best effort                       Profile 'rt'
  gaps from    count                            count
     256 ns        0                                3  ##
     512 ns  1000000  #######################  900000  ########################
       1 us        0                                0
       2 us        0                                0
     4.1 us        0                                0
     8.2 us        0                                0
      16 us        0                                0
      33 us        0                                0
      66 us        0                                0
     131 us        7  ###                           0
     262 us        0                                2  ##
     524 us        0                                0
       1 ms        0                                0
     2.1 ms        0                                0
     4.2 ms        0                                0
     8.4 ms        1  #                             0

  - the kernel is not PREEMPT_RT

Worst gap with the profile: 43 times lower than best effort.
`,
  )
  const worse = { ...PROFILE, profile: 'a'.repeat(100), worstMicroseconds: 51_600 }
  t.match(formatJitter([BEST_EFFORT, worse]), /4\.0 times HIGHER/)
  for (const line of text.split('\n')) t.ok(line.length <= 80, line)
})

t.test('lengths of time as people write them', async (t) => {
  t.strictSame([0.0064, 0.7, 8.44, 84, 999, 999.6, 1000, 12_900].map(formatMicroseconds), [
    '6 ns',
    '700 ns',
    '8.4 us',
    '84 us',
    '999 us',
    '1 ms',
    '1 ms',
    '13 ms',
  ])
})

t.test('JSON', async (t) => {
  t.match(jitterToJson([BEST_EFFORT]), {
    version: 1,
    runs: [{ profile: null, worstMicroseconds: 12_900, gapsOver: { '100us': 8, '1ms': 1, '10ms': 0 } }],
    worstRatio: null,
  })
  t.match(jitterToJson([BEST_EFFORT, { ...BEST_EFFORT, worstMicroseconds: 100 }]), { worstRatio: 129 })
})

t.test('each cause of a bad result, and none for a good one', async (t) => {
  const good: JitterFacts = {
    accelerator: 'kvm',
    worstMicroseconds: 5000,
    vcpu: { cpus: [4], policy: 'fifo', priority: 1 },
    isolated: [4, 5],
    fullDynticks: [4, 5],
    throttling: { runtime: -1, release: '6.12.4', hasGroups: false },
    fairServer: 'on',
    isRealtimeKernel: true,
  }
  t.strictSame(explainJitter(good), [])
  const causes: [Partial<JitterFacts>, RegExp][] = [
    [
      { throttling: { runtime: 950_000, release: '6.1.0', hasGroups: null } },
      /^real-time throttling is on \(kernel.sched_rt_runtime_us is 950000\): .*sysctl/,
    ],
    [
      { throttling: { runtime: 950_000, release: '6.12.4', hasGroups: null } },
      /^real-time throttling may be on \(.* RT_GROUP_SCHED is not known\): a vCPU/,
    ],
    [{ vcpu: { cpus: [4], policy: 'other', priority: 0 } }, /^the vCPU was other: .*; use a profile/],
    [
      { vcpu: { cpus: [4, 5], policy: 'fifo', priority: 1 }, isolated: [], fullDynticks: [] },
      /^the vCPU was not pinned: it may be moved among CPUs 4-5, .*; use a profile/,
    ],
    [
      { isolated: [5] },
      /^CPU 4 of the vCPU is not reserved for it: .* threads run there, to which the kernel gives up to 50 ms .*isolcpus=managed_irq,domain,4-5$/,
    ],
    [
      { isolated: [5], fairServer: 'off' },
      /^CPU 4 of the vCPU is not reserved for it: .* threads run there; .*isolcpus=managed_irq,domain,4-5$/,
    ],
    [
      { isolated: [5], isolatedByGroups: [5] },
      /; add CPU 4 to the cgroup partition that isolates CPUs 5, or choose among these$/,
    ],
    [{ fullDynticks: null }, /^CPU 4 has the scheduler's tick; boot with nohz_full=4 rcu_nocbs=4$/],
    [{ isRealtimeKernel: false }, /^the kernel is not PREEMPT_RT/],
    [{ accelerator: 'tcg' }, /^the guest was emulated \(TCG\)/],
  ]
  for (const [facts, text] of causes) {
    const explained = explainJitter({ ...good, ...facts })
    t.equal(explained.length, 1)
    t.match(explained[0], text)
    t.strictSame(explainJitter({ ...good, ...facts, worstMicroseconds: 50 }), [])
  }
})

t.test('kernels with a fair server', async (t) => {
  const releases = ['6.12.4', '6.18.44-fc-v782', '7.0.0-rc1', '6.1.0-30-rt-amd64', '5.19.0', '', null]
  t.strictSame(releases.map(hasFairServer), [true, true, true, false, false, false, false])
})
