/** From where to where a logarithmic axis goes. */
export interface Extent {
  readonly least: number
  readonly most: number
}

/** The whole decades that hold all values; a logarithmic axis has no place for those that are not above 0. */
export function decades(values: readonly number[]): Extent {
  const shown = values.filter((value) => value > 0)
  if (shown.length === 0) return { least: 1, most: 10 }
  const least = 10 ** Math.floor(Math.log10(Math.min(...shown)))
  const most = 10 ** Math.ceil(Math.log10(Math.max(...shown)))
  return { least, most: most > least ? most : least * 10 }
}

/** Linear growth through a point, from where it comes into the panel. */
export function linearThrough(
  point: readonly [number, number] | undefined,
  x: Extent,
  y: Extent,
): readonly (readonly [number, number])[] {
  if (point === undefined || point[0] <= 0 || point[1] <= 0) return []
  const [n, value] = point
  const slope = value / n
  const from = Math.max(x.least, y.least / slope)
  const to = Math.min(x.most, y.most / slope)
  return [
    [from, from * slope],
    [to, to * slope],
  ]
}
