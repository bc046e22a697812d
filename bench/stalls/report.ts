import { max, median } from 'simple-statistics'
import type { Aim, Table } from '../common/section.js'
import { type Form, LOOPS_PER_CPU, type LoadName } from './forms.js'
import type { Accelerator, Stalls } from './jitter.js'

export interface Row extends Pick<Form, 'name' | 'load'> {
  readonly medianOfWorstMs: number
  readonly worstMs: number
  readonly over100us: number
  readonly over1ms: number
  /** Worst of best effort under the same load, by this one's. */
  readonly ratio: number
}

/** Sums the repetitions of all forms up. */
export function makeRows(forms: readonly Form[], samples: readonly (readonly Stalls[])[]): Row[] {
  const rows = forms.map(({ name, load }, index) => {
    const runs = samples[index] ?? []
    const worst = runs.map(({ worstMs }) => worstMs)
    return {
      name,
      load,
      medianOfWorstMs: median(worst),
      worstMs: max(worst),
      over100us: median(runs.map(({ over100us }) => over100us)),
      over1ms: median(runs.map(({ over1ms }) => over1ms)),
    }
  })
  return rows.map((row) => ({ ...row, ratio: find(rows, 'best-effort', row.load).worstMs / row.worstMs }))
}

function find<T extends Pick<Row, 'name' | 'load'>>(
  rows: readonly T[],
  name: Row['name'],
  load: LoadName,
): T {
  const found = rows.find((row) => row.name === name && row.load === load)
  if (found === undefined) throw new Error(`${name} beside a ${load} load was not measured`)
  return found
}

const NAMES: Readonly<Record<Form['name'], string>> = {
  'best-effort': 'best effort',
  pinned: 'pinned, best effort',
  'fifo-throttled': 'FIFO, throttling on',
  fifo: 'FIFO, throttling off',
}

const LOAD_NAMES: Readonly<Record<LoadName, string>> = {
  free: `${LOOPS_PER_CPU} loops per CPU, free`,
  bound: `${LOOPS_PER_CPU} loops per CPU, bound to it`,
}

export function stallsTable(rows: readonly Row[], accelerator: Accelerator): Table {
  return [
    [
      `vCPU (${accelerator === 'kvm' ? 'KVM' : 'emulated'})`,
      'load',
      'worst stall ms: median',
      'worst',
      'over 100 us',
      'over 1 ms',
      'best effort to it',
    ],
    ...rows.map((row) => [
      NAMES[row.name],
      LOAD_NAMES[row.load],
      row.medianOfWorstMs.toFixed(2),
      row.worstMs.toFixed(2),
      String(row.over100us),
      String(row.over1ms),
      row.ratio.toFixed(2),
    ]),
  ]
}

const TIMES = 30

export function stallsAims(rows: readonly Row[]): Aim[] {
  const { ratio } = find(rows, 'fifo', 'free')
  return [
    {
      what: 'worst stall, best effort to FIFO with throttling off',
      measured: `${ratio.toFixed(1)} times`,
      wanted: `at least ${TIMES} times`,
      met: ratio >= TIMES,
    },
  ]
}
