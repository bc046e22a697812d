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

/** What a guest is compared with its host in. */
export interface HostRow {
  readonly mode: 'spin' | 'timer'
  /** The program that measured the host. */
  readonly tool: string
  readonly medianOfGuestMs: number
  readonly medianOfHostMs: number
  /** Worst of all repetitions. */
  readonly guestMs: number
  readonly hostMs: number
  /** The guest's median by the host's. */
  readonly ratio: number
}

/** Sums the repetitions of one mode up. @param runs each with the host */
export function makeHostRow(mode: HostRow['mode'], runs: readonly Stalls[]): HostRow {
  const guest = runs.map(({ worstMs }) => worstMs)
  const hosts = runs.flatMap(({ host }) => host ?? [])
  const host = hosts.map(({ worstMs }) => worstMs)
  const [medianOfGuestMs, medianOfHostMs] = [median(guest), median(host)]
  return {
    ...{ mode, tool: hosts[0]?.tool ?? '', medianOfGuestMs, medianOfHostMs },
    ...{ guestMs: max(guest), hostMs: max(host), ratio: medianOfGuestMs / medianOfHostMs },
  }
}

export function hostTable(rows: readonly HostRow[], form: Form): Table {
  return [
    [
      `the guest (${form.name}) beside its host`,
      ...['worst ms, median: guest', 'host', 'guest to host', 'worst of all ms: guest', 'host'],
    ],
    ...rows.map(({ mode, tool, medianOfGuestMs, medianOfHostMs, ratio, guestMs, hostMs }) => [
      `${mode}, host by ${tool}`,
      ...[medianOfGuestMs.toFixed(3), medianOfHostMs.toFixed(3), ratio.toFixed(2)],
      ...[guestMs.toFixed(3), hostMs.toFixed(3)],
    ]),
  ]
}

/** How many times longer the guest's worst may be than the host's. */
const MOST: Readonly<Record<HostRow['mode'], number>> = { spin: 1.5, timer: 2 }

export function hostAims(rows: readonly HostRow[]): Aim[] {
  return rows.map(({ mode, ratio }) => ({
    what: `worst of ${mode}, guest to host`,
    measured: `${ratio.toFixed(2)} times`,
    wanted: `at most ${MOST[mode]} times`,
    met: ratio <= MOST[mode],
  }))
}

const TIMES = 30

/** A host that was set up: of the forms without throttling the last, which is isolated where that can be. null for none */
export function bestForm<T extends Form>(forms: readonly T[]): T | null {
  return forms.findLast(({ profile, isThrottled }) => profile === 'fifo' && !isThrottled) ?? null
}

export function stallsAims(rows: readonly Row[]): Aim[] {
  const best = bestForm(rows)
  if (best === null) return []
  return [
    {
      what: `worst stall, best effort to ${best.name}`,
      measured: `${best.ratio.toFixed(1)} times`,
      wanted: `at least ${TIMES} times`,
      met: best.ratio >= TIMES,
    },
  ]
}
