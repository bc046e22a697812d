import type { Plot } from './plot.js'

/** How thoroughly to measure. */
export interface Settings {
  /** Few repetitions: to see that it works, not to quote. */
  readonly quick: boolean
}

/** One subject that is measured. */
export interface Section {
  readonly name: string
  readonly title: string
  /** Why it cannot be measured here, with what to do; null when it can. */
  readonly obstacle: () => string | null
  readonly measure: (settings: Settings) => Promise<Measured>
}

export interface Measured {
  /** All numbers, named with their units, for the JSON. */
  readonly figures: object
  /** What is printed of them, heading first. */
  readonly tables: readonly Table[]
  readonly aims: readonly Aim[]
  readonly plots?: readonly Plot[]
}

export type Table = readonly (readonly string[])[]

/** What is to be reached. */
export interface Aim {
  readonly what: string
  readonly measured: string
  readonly wanted: string
  readonly met: boolean
}
