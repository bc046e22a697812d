import fc from 'fast-check'
import t from 'tap'
import { explainJitter, type JitterFacts } from '../../src/jitter/explain.js'
import { type Circumstances, jitterToJson } from '../../src/jitter/json.js'
import { type Meter, newMeter, take } from '../../src/jitter/meter.js'
import { formatMicroseconds } from '../../src/jitter/microseconds.js'
import { percentilesOf } from '../../src/jitter/percentiles.js'
import { implausible, type JitterRecord, makeRecordReader } from '../../src/jitter/record.js'
import { type JitterResult, summarize } from '../../src/jitter/result.js'
import { formatJitter } from '../../src/jitter/text.js'
import { newTimeline, note, overTime } from '../../src/jitter/timeline.js'
import { hasFairServer } from '../../src/units/kernel-release.js'

/** As guest/jitter.S lays it out. */
function bytesOf(record: JitterRecord): Buffer {
  const bytes = Buffer.alloc(244)
  bytes.write('QRT2')
  const flags = record.timer === null ? 0 : record.timer === 'local-apic' ? 1 : 3
  for (const [index, value] of [record.number, record.vcpu, flags].entries())
    bytes.writeUInt32LE(value, 4 + index * 4)
  for (const [index, value] of [record.ticks, record.largest, record.endTicks].entries())
    bytes.writeBigUInt64LE(BigInt(value), 16 + index * 8)
  for (const [index, value] of [record.missed, record.intervalTicks, ...record.counts].entries())
    bytes.writeUInt32LE(value, 40 + index * 4)
  const words = Array.from({ length: 60 }, (_, index) => bytes.readUInt32LE(index * 4))
  bytes.writeUInt32LE(
    words.reduce((sum, word) => (sum + word) >>> 0, 0),
    240,
  )
  return bytes
}

const counts = (given: Record<number, number>) =>
  Array.from({ length: 48 }, (_, bucket) => given[bucket] ?? 0)

function recordOf({
  given = {},
  ...said
}: Partial<JitterRecord> & { readonly given?: Record<number, number> }): JitterRecord {
  const nothing = {
    number: 1,
    vcpu: 0,
    timer: null,
    ticks: 1,
    largest: 0,
    endTicks: 1,
    missed: 0,
    intervalTicks: 0,
  }
  return { ...nothing, ...said, counts: said.counts ?? counts(given) }
}

// Without the magic's letters: a count that looks like a record's beginning is beyond what is claimed.
const record: fc.Arbitrary<JitterRecord> = fc.record({
  number: fc.nat(1000),
  vcpu: fc.nat(63),
  timer: fc.constantFrom(null, 'local-apic' as const, 'tsc-deadline' as const),
  ticks: fc.nat(1000),
  largest: fc.nat(1000),
  endTicks: fc.nat(1000),
  missed: fc.nat(1000),
  intervalTicks: fc.nat(1000),
  counts: fc.array(fc.nat(1000), { minLength: 48, maxLength: 48 }),
})

t.test(
  'records are read however the stream is cut, with anything before the first and a piece at the end',
  async () => {
    fc.assert(
      fc.property(
        fc.array(record, { maxLength: 4 }),
        fc.uint8Array({ maxLength: 20 }).filter((bytes) => !Buffer.from(bytes).includes('Q')),
        fc.nat(243),
        fc.array(fc.nat(700), { maxLength: 8 }),
        (records, before, rest, cuts) => {
          const last = bytesOf(recordOf({ number: 9 })).subarray(0, rest)
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

t.test('a record that was changed on the way is passed over', async (t) => {
  const broken = bytesOf(recordOf({ number: 2 }))
  broken[30] = 1
  const stream = Buffer.concat([bytesOf(recordOf({ number: 1 })), broken, bytesOf(recordOf({ number: 3 }))])
  t.strictSame(
    makeRecordReader()(stream).map(({ number }) => number),
    [1, 3],
  )
})

t.test('what no guest can have measured is refused', async (t) => {
  const counted = recordOf({ number: 2, ticks: 1000, largest: 60, given: { 5: 10 } })
  t.equal(implausible(counted, null), null)
  t.equal(implausible(counted, 1), null)
  t.equal(implausible(recordOf({ number: 2 }), 1), null, 'nothing counted')
  const timer = { timer: 'local-apic', intervalTicks: 100 } as const
  t.equal(implausible({ ...counted, ...timer }, 1), null)
  const cases: [JitterRecord, RegExp][] = [
    [{ ...counted, number: 3 }, /^record 3 of vCPU 0 came after record 1$/],
    [{ ...counted, ticks: 2 ** 60 }, /out of range/],
    [{ ...counted, ticks: 0 }, /out of range/],
    [{ ...counted, ticks: 300 }, /counts more than it covers/],
    [{ ...counted, ...timer, ticks: 700 }, /counts more than it covers/],
    [{ ...counted, largest: 64 }, /longest outside/],
    [{ ...counted, largest: 0, counts: counts({ 5: 1 }) }, /longest outside/],
  ]
  for (const [one, problem] of cases) t.match(implausible(one, 1), problem)
})

/** Records of vCPUs as they came, each half a second of a counter of 1000 ticks a microsecond. */
function meterOf(vcpus: number[], arrivals: readonly [JitterRecord, atMs: number][]): Meter {
  const meter = newMeter(vcpus)
  meter.isCounting = true
  for (const [one, atMs] of arrivals) take(meter, { ...one, endTicks: atMs * 1e6 }, atMs)
  return meter
}

t.test('records of vCPUs are summed up, from the end of the first of each', async (t) => {
  const one = (vcpu: number, number: number, largest: number, given: Record<number, number>) =>
    recordOf({ vcpu, number, ticks: 1e9, largest, given })
  const result = summarize(
    meterOf(
      [1, 2],
      [
        [one(1, 4, 2 ** 20, { 20: 1 }), 1000],
        [one(2, 7, 2 ** 20, { 20: 1 }), 1100],
        [one(1, 5, 5000, { 5: 89, 12: 1 }), 2000],
        [one(2, 8, 400_000, { 5: 20, 18: 2 }), 2100],
        [one(1, 6, 60, { 5: 10 }), 3000],
      ],
    ),
  )
  t.match(result, {
    ticksPerMicrosecond: 1000,
    seconds: 1,
    worstMicroseconds: 400,
    worstOverTime: { sliceSeconds: 1, microseconds: [null, 400, 0.06] },
    vcpus: [
      { number: 1, worstMicroseconds: 5, percentiles: { '50': 0.064, '99': 0.064, '99.9': 8.192 } },
      { number: 2, worstMicroseconds: 400 },
    ],
  })
  t.strictSame(
    result.histogram
      .filter(({ count }) => count > 0)
      .map(({ fromMicroseconds, count }) => [fromMicroseconds * 1000, count]),
    [
      [32, 119],
      [4096, 1],
      [262_144, 2],
    ],
  )
  t.throws(() => summarize(newMeter([0])), RangeError)
})

t.test('a vCPU that does not measure, and a record that is missing, are refused', async (t) => {
  const meter = newMeter([1])
  take(meter, recordOf({ vcpu: 1, number: 1 }), 0)
  t.throws(() => take(meter, recordOf({ vcpu: 0, number: 1 }), 1), {
    exitCode: 69,
    message: /^the guest reported impossible values: there is no vCPU 0 that measures; /,
  })
  t.throws(() => take(meter, recordOf({ vcpu: 1, number: 3 }), 1), /record 3 of vCPU 1 came after record 1/)
})

t.test('a week takes as little memory as a minute, and its worst is still seen where it was', async (t) => {
  const week = 604_800
  const timeline = newTimeline()
  for (let second = 0; second < week; second++) note(timeline, second * 1000, second === 400_000 ? 900 : 7)
  const { sliceSeconds, microseconds } = overTime(timeline, 1)
  t.ok(microseconds.length <= 300 && microseconds.length >= 150, `${microseconds.length} slices`)
  t.equal(microseconds.indexOf(900), Math.floor(400_000 / sliceSeconds))
  t.equal(microseconds.filter((one) => one === 7).length, microseconds.length - 1)
})

t.test('counts stay exact beyond 32 bits', async (t) => {
  const meter = newMeter([0])
  meter.isCounting = true
  const one = recordOf({ number: 1, ticks: 2 ** 52, largest: 1, given: { 0: 2 ** 32 - 1 } })
  for (let number = 1; number <= 1000; number++)
    take(meter, { ...one, number, endTicks: number * 1e9 }, number)
  t.equal(summarize(meter).histogram[0]?.count, 999 * (2 ** 32 - 1))
})

const BEST_EFFORT: JitterResult = {
  profile: null,
  accelerator: 'kvm',
  mode: 'spin',
  timer: null,
  intervalMicroseconds: null,
  vcpu: { number: 0, cpus: '0-1', policy: 'other', priority: 0 },
  vcpus: [],
  seconds: 10,
  warmUpSeconds: 1,
  ticksPerMicrosecond: 1000,
  worstMicroseconds: 12_900,
  missed: 0,
  percentiles: percentilesOf([]),
  worstOverTime: { sliceSeconds: 1, microseconds: [] },
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
  ...BEST_EFFORT,
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

t.test('a timer, several vCPUs, and a limit', async (t) => {
  const vcpu = (number: number, worstMicroseconds: number) => ({
    ...{ number, cpus: `${number + 3}`, policy: 'fifo', priority: 1, worstMicroseconds, missed: 2 },
    percentiles: percentilesOf([{ fromMicroseconds: 8, toMicroseconds: 16, count: 1 }]),
  })
  const timer: JitterResult = {
    ...PROFILE,
    mode: 'timer',
    timer: 'tsc-deadline',
    intervalMicroseconds: 250,
    vcpus: [vcpu(1, 300), vcpu(2, 40)],
    missed: 4,
  }
  const lines = formatJitter([timer], 40).split('\n')
  t.strictSame(lines.slice(0, 6), [
    "Profile 'rt', KVM, TSC deadline timer of 250 us, 10 s: latest wake-up 300 us",
    '  vCPU 1 on CPU 4, fifo 1: worst 300 us, 99.99 % within 16 us',
    '  vCPU 2 on CPU 5, fifo 1: worst 40 us, 99.99 % within 16 us',
    '  late: 2 over 100 us, 0 over 1 ms, 0 over 10 ms; intervals missed: 4',
    '',
    '  late from   count',
  ])
  t.equal(lines.at(-2), 'Latest wake-up: OVER the limit of 40 us.')
  t.match(formatJitter([timer], 300), /\nLatest wake-up: within the limit of 300 us\.\n$/)
  t.match(formatJitter([BEST_EFFORT, timer]), /\nLatest wake-up with the profile: 43 times lower/)
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

const CIRCUMSTANCES: Circumstances = {
  host: { kernel: '6.12.4', commandLine: 'quiet', cpuModel: 'A CPU', microcode: '0x1', checks: null },
  configuration: 'ab',
  limit: null,
  time: new Date(0),
}

t.test('JSON', async (t) => {
  t.match(jitterToJson([BEST_EFFORT], CIRCUMSTANCES), {
    version: 2,
    time: '1970-01-01T00:00:00.000Z',
    host: { kernel: '6.12.4' },
    configuration: { sha256: 'ab' },
    failOver: null,
    runs: [{ profile: null, worstMicroseconds: 12_900, gapsOver: { '100us': 8, '1ms': 1, '10ms': 0 } }],
    worstRatio: null,
  })
  t.match(
    jitterToJson([BEST_EFFORT, { ...BEST_EFFORT, worstMicroseconds: 100 }], { ...CIRCUMSTANCES, limit: 100 }),
    { worstRatio: 129, failOver: { microseconds: 100, exceeded: false } },
    'the limit is for the profile',
  )
  t.match(jitterToJson([BEST_EFFORT], { ...CIRCUMSTANCES, limit: 100 }), { failOver: { exceeded: true } })
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
