import type { CauseReport } from '../cause/causes.js'
import type { Bucket } from '../percentiles.js'

/** What the page shows, whatever it is measured with. All texts may be from outside. */
export interface ReportModel {
  readonly title: string
  /** When and for how long. */
  readonly subtitle: string
  readonly figures: readonly Fact[]
  readonly curves: readonly Curve[]
  /** Empty where nobody has kept it. */
  readonly overTime: readonly Course[]
  readonly causes: readonly CauseReport[]
  /** What the osnoise tracer has told; empty where nobody has asked. */
  readonly osnoise: readonly string[]
  /** What makes it worse than it need be. */
  readonly explanations: readonly string[]
  /** How the host itself was measured, and what was not. */
  readonly floor: readonly string[]
  readonly host: readonly Fact[]
}

export interface Fact {
  readonly name: string
  readonly value: string
}

/** A histogram. */
export interface Curve {
  readonly name: string
  readonly histogram: readonly Bucket[]
}

/** The worst of each slice of time; null for one in which nothing was reported. */
export interface Course {
  readonly name: string
  readonly sliceSeconds: number
  readonly microseconds: readonly (number | null)[]
}
