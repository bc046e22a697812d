import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import t from 'tap'
import { explainJitter, type JitterFacts } from '../../src/jitter/explain.js'
import { GUEST_IMAGE } from '../../src/jitter/guest-image.js'
import { jitterToJson } from '../../src/jitter/json.js'
import { type JitterRecord, makeRecordReader } from '../../src/jitter/record.js'
import { type JitterResult, summarize } from '../../src/jitter/result.js'
import { formatJitter, formatMicroseconds } from '../../src/jitter/text.js'
import { needs } from '../e2e/needs.js'

t.test('the guest is what its source assembles to, and a boot sector', async (t) => {
  t.equal(GUEST_IMAGE.length, 512)
  t.strictSame([...GUEST_IMAGE.subarray(510)], [0x55, 0xaa])
  if (!needs(t, ['as', 'ld'])) return
  const assembled = execFileSync(process.execPath, ['guest/assemble.mjs', '--base64']).toString()
  t.equal(
    assembled,
    GUEST_IMAGE.toString('base64'),
    'run: node guest/assemble.mjs >src/jitter/guest-image.ts',
  )
})

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

const RESULT: JitterResult = {
  profile: null,
  accelerator: 'kvm',
  seconds: 10,
  ticksPerMicrosecond: 1000,
  worstMicroseconds: 12_900,
  histogram: [
    { fromMicroseconds: 0.512, toMicroseconds: 1.024, count: 1_000_000 },
    { fromMicroseconds: 1.024, toMicroseconds: 2.048, count: 0 },
    { fromMicroseconds: 131, toMicroseconds: 262, count: 7 },
    { fromMicroseconds: 8389, toMicroseconds: 16_777, count: 1 },
  ],
  explanations: [
    'the vCPU was other: whatever runs on its CPU takes turns with it; use a profile with policy = "fifo"',
  ],
}

t.test('a histogram for people, and what explains it', async (t) => {
  t.equal(
    formatJitter([RESULT, { ...RESULT, profile: 'rt', worstMicroseconds: 300, explanations: [] }]),
    `Best effort, KVM, 10 s: worst gap 13 ms
  gaps: 8 over 100 us, 1 over 1 ms, 0 over 10 ms
  gaps from    count
     512 ns  1000000  ##########################################################
       1 us        0
     131 us        7  #########
     8.4 ms        1  ###
  - the vCPU was other: whatever runs on its CPU takes turns with it; use a
    profile with policy = "fifo"

Profile 'rt', KVM, 10 s: worst gap 300 us
  gaps: 8 over 100 us, 1 over 1 ms, 0 over 10 ms
  gaps from    count
     512 ns  1000000  ##########################################################
       1 us        0
     131 us        7  #########
     8.4 ms        1  ###

Worst gap with the profile: 43 times lower than best effort.
`,
  )
  t.ok(
    formatJitter([RESULT])
      .split('\n')
      .every((line) => line.length <= 80),
  )
  t.match(
    formatJitter([RESULT, { ...RESULT, profile: 'rt', worstMicroseconds: 51_600 }]),
    /4\.0 times HIGHER/,
  )
  t.strictSame([0.0064, 0.7, 8.44, 84, 999, 1000, 12_900].map(formatMicroseconds), [
    '6 ns',
    '700 ns',
    '8.4 us',
    '84 us',
    '999 us',
    '1 ms',
    '13 ms',
  ])
})

t.test('JSON', async (t) => {
  t.match(jitterToJson([RESULT]), {
    version: 1,
    runs: [{ profile: null, worstMicroseconds: 12_900, gapsOver: { '100us': 8, '1ms': 1, '10ms': 0 } }],
    worstRatio: null,
  })
  t.match(jitterToJson([RESULT, { ...RESULT, worstMicroseconds: 100 }]), { worstRatio: 129 })
})

t.test('each cause of a bad result, and none for a good one', async (t) => {
  const good: JitterFacts = {
    accelerator: 'kvm',
    worstMicroseconds: 5000,
    vcpu: { cpus: [4], policy: 'fifo', priority: 1 },
    isolated: [4, 5],
    fullDynticks: [4, 5],
    realtimeRuntime: -1,
    isRealtimeKernel: true,
  }
  t.strictSame(explainJitter(good), [])
  const causes: [Partial<JitterFacts>, RegExp][] = [
    [
      { realtimeRuntime: 950_000 },
      /^real-time throttling is on: a busy vCPU is stopped for up to 50 ms .*sysctl/,
    ],
    [{ vcpu: { cpus: [4], policy: 'other', priority: 0 } }, /^the vCPU was other: .*; use a profile/],
    [{ isolated: [5] }, /^CPU 4 of the vCPU is not reserved for it: .*isolcpus=4$/],
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
