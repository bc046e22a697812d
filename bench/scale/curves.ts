import { median } from 'simple-statistics'
import { inTurn } from '../common/in-turn.js'
import type { Curve } from '../common/plot.js'

/** One point of one curve, to be measured again and again. */
export interface Probe {
  readonly curve: string
  readonly n: number
  /** Measures once. @returns milliseconds */
  readonly run: () => Promise<number>
}

/**
 * Measures all points of all curves in turn.
 * @returns the medians in milliseconds, one curve a name, in the order of the probes
 */
export async function measureCurves(probes: readonly Probe[], rounds: number): Promise<Curve[]> {
  const samples = await inTurn(probes, rounds, ({ run }) => run())
  const curves = new Map<string, [number, number][]>()
  for (const [index, { curve, n }] of probes.entries()) {
    const points = curves.get(curve) ?? []
    points.push([n, median(samples[index] ?? [])])
    curves.set(curve, points)
  }
  return [...curves].map(([name, points]) => ({ name, points }))
}
