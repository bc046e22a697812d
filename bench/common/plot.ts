/** Curves over one quantity, drawn on logarithmic axes. */
export interface Plot {
  readonly title: string
  readonly x: string
  readonly y: string
  readonly curves: readonly Curve[]
}

export interface Curve {
  readonly name: string
  /** `[x, y]`, ascending. */
  readonly points: readonly (readonly [number, number])[]
}
