import fc from 'fast-check'
import t from 'tap'
import {
  COLUMNS,
  type ColumnId,
  longestPossible,
  parseColumn,
  triggersFor,
} from '../../../src/jitter/osnoise/columns.js'
import { formatOsnoise } from '../../../src/jitter/osnoise/text.js'

/** As kernel/trace/trace_events_hist.c writes it. */
const histogram = (lines: readonly string[]) =>
  `# event histogram
#
# trigger info: hist:keys=common_cpu,desc,duration.log2:vals=hitcount,duration:sort=hitcount:size=4096 [active]
#

${lines.join('\n')}

Totals:
    Hits: ${lines.length}
    Entries: ${lines.length}
    Dropped: 0
`

const IRQS = histogram([
  '{ common_cpu:          2, desc: local_timer                                       , duration: ~ 2^12 } hitcount:          2  duration:       6000',
  '{ common_cpu:          2, desc: virtio1-req.0, other                              , duration: ~ 2^15 } hitcount:          1  duration:      20000',
  '{ common_cpu:          2, desc: local_timer                                       , duration: ~ 2^13 } hitcount:          1  duration:       8000',
  '{ common_cpu:          3, desc: local_timer                                       , duration: ~ 2^20 } hitcount:          9  duration:     999999',
])

t.test('sums of one CPU, by kind: the longest are told by powers of two', async (t) => {
  t.strictSame(parseColumn('irq', IRQS, 2), {
    column: 'irq',
    count: 4,
    microseconds: 34,
    longestMicroseconds: 2 ** 15 / 1000,
    kinds: [
      { name: 'virtio1-req.0, other', count: 1, microseconds: 20, longestMicroseconds: 2 ** 15 / 1000 },
      { name: 'local_timer', count: 3, microseconds: 14, longestMicroseconds: 2 ** 13 / 1000 },
    ],
  })
  const softirqs = histogram([
    '{ common_cpu:          2, vector:          9, duration: ~ 2^11 } hitcount:          3  duration:       4500',
  ])
  t.match(parseColumn('softirq', softirqs, 2), { count: 3, kinds: [{ name: 'RCU' }] })
  const nmis = histogram([
    '{ common_cpu:          2, duration: ~ 2^11 } hitcount:          3  duration:       4500',
  ])
  t.match(parseColumn('nmi', nmis, 2), { count: 3, microseconds: 4.5 })
})

t.test('what the tracer found under way is not taken for as long as the host is up', async (t) => {
  const limit = longestPossible(78e9, 2e9)
  t.equal(limit, 4e9)
  t.equal(longestPossible(1e9, 60e9), 0.9e9)
  const text = histogram([
    '{ common_cpu:          2, desc: local_timer                  , duration: ~ 2^37 } hitcount:          1  duration: 78104000000',
    '{ common_cpu:          2, desc: local_timer                  , duration: ~ 2^13 } hitcount:          1  duration:       8000',
  ])
  t.match(parseColumn('irq', text, 2, limit), { count: 1, microseconds: 8, longestMicroseconds: 8.192 })
})

t.test('nothing that was not read is claimed', async (t) => {
  t.match(parseColumn('irq', histogram([]), 2), { count: 0, longestMicroseconds: 0 })
  for (const text of ['', '# event histogram', 'Totals:\n']) t.equal(parseColumn('irq', text, 2), null)
  fc.assert(
    fc.property(fc.constantFrom(...(Object.keys(COLUMNS) as ColumnId[])), fc.string(), (column, text) => {
      parseColumn(column, text, 2)
      parseColumn(column, IRQS + text, 2)
    }),
  )
})

t.test('vCPUs and the idle thread are no noise', async (t) => {
  const triggers = triggersFor([71, 72])
  t.equal(
    triggers.thread_noise,
    'hist:keys=common_cpu,comm,duration.log2:vals=duration:size=4096 if pid != 0 && pid != 71 && pid != 72',
  )
  t.equal(triggers.nmi_noise, 'hist:keys=common_cpu,duration.log2:vals=duration:size=4096')
})

t.test('for people', async (t) => {
  const columns = [parseColumn('irq', IRQS, 2), parseColumn('thread', histogram([]), 2)].flatMap(
    (one) => one ?? [],
  )
  t.strictSame(formatOsnoise({ cpus: [{ cpu: 2, columns }], notRead: null }), [
    'osnoise on CPU 2 while the guest ran, without what hardware takes:',
    '  interrupts: 4, 34 us in all, each at most 33 us: virtio1-req.0, other 1, local_timer 3',
    '  threads: none',
  ])
  t.strictSame(formatOsnoise({ cpus: [], notRead: 'no' }), ['not read: osnoise: no'])
})
