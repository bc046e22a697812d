/** The worst of each slice of the time that was measured. */
export interface WorstOverTime {
  readonly sliceSeconds: number
  /** In order; null for a slice in which no record came. */
  readonly microseconds: readonly (number | null)[]
}

/** As many as a picture can show; a run of days keeps no more. */
const MOST_SLICES = 300

/** Slices of equal length that get longer as time goes: the longest ticks of each. */
export interface Timeline {
  sliceMs: number
  slices: (number | null)[]
}

export function newTimeline(): Timeline {
  return { sliceMs: 1000, slices: [] }
}

/**
 * Notes a length in the slice that it belongs to. Where there would be too many slices, each two become one.
 * @param atMs after the beginning, not negative
 */
export function note(timeline: Timeline, atMs: number, ticks: number): void {
  while (atMs >= MOST_SLICES * timeline.sliceMs) {
    timeline.sliceMs *= 2
    timeline.slices = Array.from({ length: Math.ceil(timeline.slices.length / 2) }, (_, index) =>
      longer(timeline.slices[2 * index] ?? null, timeline.slices[2 * index + 1] ?? null),
    )
  }
  const slice = Math.floor(atMs / timeline.sliceMs)
  while (timeline.slices.length <= slice) timeline.slices.push(null)
  timeline.slices[slice] = longer(timeline.slices[slice] ?? null, ticks)
}

function longer(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.max(a, b)
}

export function overTime({ sliceMs, slices }: Timeline, ticksPerMicrosecond: number): WorstOverTime {
  return {
    sliceSeconds: sliceMs / 1000,
    microseconds: slices.map((ticks) => (ticks === null ? null : ticks / ticksPerMicrosecond)),
  }
}
