import t from 'tap'
import type { Form } from '../../bench/stalls/forms.js'
import type { Stalls } from '../../bench/stalls/jitter.js'
import { bestForm, hostAims, hostTable, makeHostRow } from '../../bench/stalls/report.js'

const run = (worstMs: number, hostMs: number, tool: string): Stalls => ({
  ...{ accelerator: 'kvm', worstMs, over100us: 0, over1ms: 0 },
  host: { tool, worstMs: hostMs },
})

const form = (name: string, given: Partial<Form>): Form => ({
  ...{ name, profile: 'fifo', isThrottled: false, isIsolated: false },
  ...given,
})

t.test('the guest beside its host, in both modes', async (t) => {
  const rows = [
    makeHostRow('spin', [run(0.03, 0.02, 'oslat'), run(0.9, 0.021, 'oslat'), run(0.02, 0.02, 'oslat')]),
    makeHostRow('timer', [run(0.09, 0.03, 'cyclictest')]),
  ]
  const best = bestForm([
    form('plain', {}),
    form('isolated', { isIsolated: true }),
    form('no', { isThrottled: true }),
  ])
  t.match(best, { name: 'isolated' })
  if (best === null) return
  const [spin = [], timer = []] = hostTable(rows, best).slice(1)
  t.strictSame(spin, ['spin, host by oslat', '0.030', '0.020', '1.50', '0.900', '0.021'])
  t.strictSame(timer, ['timer, host by cyclictest', '0.090', '0.030', '3.00', '0.090', '0.030'])
  t.match(hostAims(rows), [
    { measured: '1.50 times', wanted: 'at most 1.5 times', met: true },
    { measured: '3.00 times', wanted: 'at most 2 times', met: false },
  ])
})
