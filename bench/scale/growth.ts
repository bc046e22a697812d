import type { Curve } from '../common/plot.js'

/** How a curve grows between two of its points: time is as `n` to the power of `exponent`, so 1 is linear. */
export interface Growth {
  readonly from: number
  readonly to: number
  readonly exponent: number
}

/** Growth over the last two points, where whatever does not grow weighs least. */
export function lastGrowth({ points }: Curve): Growth {
  return growth(points.at(-2), points.at(-1))
}

/** Growth over the last decade, from the last point that is a tenth of the last one or less. */
export function decadeGrowth({ points }: Curve): Growth {
  const last = points.at(-1)
  return growth(
    points.findLast(([n]) => last !== undefined && n <= last[0] / 10),
    last,
  )
}

type Point = Curve['points'][number]

function growth(first: Point | undefined, last: Point | undefined): Growth {
  if (first === undefined || last === undefined) throw new RangeError('a curve needs two points to grow')
  const [from, before] = first
  const [to, after] = last
  return { from, to, exponent: Math.log(after / before) / Math.log(to / from) }
}
