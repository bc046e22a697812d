import { max, median } from 'simple-statistics'
import type { Aim, Table } from '../common/section.js'
import { type Form, LOOPS_PER_CPU } from './forms.js'
import type { Accelerator, Stalls } from './jitter.js'

export interface Row extends Form {
  readonly medianOfWorstMs: number
  readonly worstMs: number
  readonly over100us: number
  readonly over1ms: number
  /** Worst of best effort, by this one's. */
  readonly ratio: number
}

/**
 * Sums the repetitions of all forms up.
 * @param forms best effort first
 */
export function makeRows(forms: readonly Form[], samples: readonly (readonly Stalls[])[]): Row[] {
  const rows = forms.map((form, index) => {
    const runs = samples[index] ?? []
    const worst = runs.map(({ worstMs }) => worstMs)
    return {
      ...form,
      medianOfWorstMs: median(worst),
      worstMs: max(worst),
      over100us: median(runs.map(({ over100us }) => over100us)),
      over1ms: median(runs.map(({ over1ms }) => over1ms)),
    }
  })
  const bestEffortMs = rows[0]?.worstMs ?? 0
  return rows.map((row) => ({ ...row, ratio: bestEffortMs / row.worstMs }))
}

export function stallsTable(rows: readonly Row[], accelerator: Accelerator): Table {
  return [
    [
      `vCPU (${accelerator === 'kvm' ? 'KVM' : 'emulated'}), beside ${LOOPS_PER_CPU} busy loops per CPU`,
      ...['worst stall ms: median', 'worst', 'over 100 us', 'over 1 ms', 'best effort to it'],
    ],
    ...rows.map((row) => [
      row.name,
      row.medianOfWorstMs.toFixed(2),
      row.worstMs.toFixed(2),
      String(row.over100us),
      String(row.over1ms),
      row.ratio.toFixed(2),
    ]),
  ]
}

const TIMES = 30

/** The aim is for a host that was set up: of the forms without throttling the last, which is isolated where that can be. */
export function stallsAims(rows: readonly Row[]): Aim[] {
  const best = rows.findLast(({ profile, isThrottled }) => profile === 'fifo' && !isThrottled)
  if (best === undefined) return []
  return [
    {
      what: `worst stall, best effort to ${best.name}`,
      measured: `${best.ratio.toFixed(1)} times`,
      wanted: `at least ${TIMES} times`,
      met: best.ratio >= TIMES,
    },
  ]
}
