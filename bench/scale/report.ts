import type { Curve, Plot } from '../common/plot.js'
import type { Aim, Table } from '../common/section.js'
import { decadeGrowth, type Growth, lastGrowth } from './growth.js'

/** What still counts as linear: two medians of a busy machine are further apart than their last digits. */
const LINEAR = 1.1

/** All points and how they grow, for the JSON. */
export function figures(plots: readonly Plot[]): object {
  return {
    curves: curvesOf(plots).map(({ x, curve }) => ({
      over: x,
      name: curve.name,
      points: curve.points.map(([n, medianMs]) => ({ n, medianMs })),
      lastGrowth: lastGrowth(curve),
      decadeGrowth: decadeGrowth(curve),
    })),
  }
}

/** A row for each point. */
export function pointsTable(plots: readonly Plot[]): Table {
  return [
    ['over', 'what', 'n', 'median ms', 'µs for each'],
    ...curvesOf(plots).flatMap(({ x, curve }) =>
      curve.points.map(([n, medianMs]) => [
        x,
        curve.name,
        count(n),
        medianMs.toFixed(2),
        ((medianMs * 1000) / n).toFixed(1),
      ]),
    ),
  ]
}

/** A row for each curve: the power of n that its time grows with. */
export function growthTable(plots: readonly Plot[]): Table {
  return [
    ['over', 'what', 'exponent, last two points', 'exponent, last decade'],
    ...curvesOf(plots).map(({ x, curve }) => [
      x,
      curve.name,
      describe(lastGrowth(curve)),
      describe(decadeGrowth(curve)),
    ]),
  ]
}

/** Every curve grows linearly or less. */
export function aims(plots: readonly Plot[]): Aim[] {
  return curvesOf(plots).map(({ x, curve }) => {
    const last = lastGrowth(curve)
    return {
      what: `${curve.name} over ${x}: exponent of growth`,
      measured: describe(last),
      wanted: `at most ${LINEAR}, linear or better`,
      met: last.exponent <= LINEAR,
    }
  })
}

function curvesOf(plots: readonly Plot[]): { readonly x: string; readonly curve: Curve }[] {
  return plots.flatMap(({ x, curves }) => curves.map((curve) => ({ x, curve })))
}

function describe({ from, to, exponent }: Growth): string {
  return `${exponent.toFixed(2)} (${count(from)} to ${count(to)})`
}

function count(n: number): string {
  return n.toLocaleString('en')
}
