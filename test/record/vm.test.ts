import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { formatVm, parseVm, type VmRecord } from '../../src/record/vm.js'
import { address } from '../plan/make.js'

const cpuSet = fc
  .uniqueArray(fc.nat(600), { minLength: 1, maxLength: 6 })
  .map((cpus) => [...cpus].sort((a, b) => a - b))
const setting = fc.record({
  cpus: fc.option(cpuSet),
  policy: fc.option(fc.constantFrom('other' as const, 'fifo' as const, 'rr' as const)),
  priority: fc.option(fc.integer({ min: 1, max: 99 })),
})
const text = fc.option(fc.string({ unit: 'grapheme' }))
const plan: fc.Arbitrary<VmRecord> = fc.record({
  banned: fc.constantFrom([24], [24, 300]),
  id: fc.stringMatching(/^[\w-]{8,64}$/),
  guest: fc.record({ name: text, uuid: text }),
  profile: text,
  strict: fc.boolean(),
  nics: fc.constantFrom([], [{ name: 'fieldbus0', address: address('0000:03:00.1') }]),
  lease: fc.option(fc.record({ nics: fc.constantFrom([], [address('0000:03:00.1')]), cpus: cpuSet })),
  threads: fc.option(
    fc.record({
      vcpus: fc.array(setting).map((all) => all.map((one, vcpu) => ({ vcpu, ...one }))),
      emulator: fc.option(setting),
      iothreads: fc.array(setting).map((all) => all.map((one, n) => ({ id: `io${n}`, ...one }))),
      workers: fc.option(setting),
      vhost: fc.option(setting),
    }),
  ),
  vcpusAtStart: fc.nat(512),
  maxcpus: fc.option(fc.nat(4096)),
  startsPaused: fc.boolean(),
  daemonizes: fc.boolean(),
  process: fc.option(fc.record({ pid: fc.nat(), startTicks: fc.nat(), namespace: text })),
  asked: fc.option(
    fc.record({
      profile: text,
      nics: fc.constantFrom(null, { add: ['a', 'b'] }, { replace: { hostdev0: 'fieldbus0' } }),
      flavor: text,
      instance: text,
    }),
  ),
  undo: fc.constantFrom(
    [],
    [
      { address: address('0000:03:00.2'), driver: 'igb', node: { path: '/dev/vfio/3', uid: 0 } },
      { address: address('0000:03:00.3'), driver: null, interrupts: [{ irq: 16, cpus: [0, 3] }] },
      { address: address('0000:03:00.4'), interrupts: [] },
      { address: address('0000:03:00.1'), node: { path: '/dev/vfio/4', uid: 5 } },
    ],
  ),
})

t.test('what is written is read again', async () => {
  fc.assert(
    fc.property(plan, (given) => {
      // fast-check makes objects without a prototype.
      const plain = JSON.parse(JSON.stringify(given))
      return isDeepStrictEqual(JSON.parse(JSON.stringify(parseVm(formatVm(given)))), plain)
    }),
    { numRuns: 200 },
  )
})

t.test('whatever else stands in the variable is no plan, and no error', async (t) => {
  for (const other of [
    '',
    'x',
    'null',
    '[]',
    '{}',
    '{"version":2,"id":"12345678"}',
    '{"version":1,"id":"a b c d e"}',
  ]) {
    t.equal(parseVm(other), null, other)
  }
  t.match(parseVm('{"version":1,"id":"12345678","threads":{"vcpus":[{"vcpu":-1},{"vcpu":0,"cpus":"x"}]}}'), {
    threads: { vcpus: [{ vcpu: 0, cpus: null }] },
  })
  for (const uid of ['1e999', '-1', '1.5', '"0"']) {
    const undo = `[{"address":"0000:03:00.1","node":{"path":"/dev/vfio/4","uid":${uid}}}]`
    t.strictSame(parseVm(`{"version":1,"id":"12345678","undo":${undo}}`)?.undo, [
      { address: address('0000:03:00.1') },
    ])
  }
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (threads, lease) => {
      parseVm(JSON.stringify({ version: 1, id: '12345678', threads, lease, nics: threads }))
      return true
    }),
  )
})
