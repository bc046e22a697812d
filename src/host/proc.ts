import { readFileSync } from 'node:fs'

/** A process's or thread's stat file. */
export interface Stat {
  readonly name: string
  /** `R`, `S`, `Z` for one that has ended and was not waited for, … */
  readonly state: string
  /** A number of it, by its place in proc(5): 22 is the start time. */
  readonly field: (place: number) => number
}

/** Reads a stat file's text; null when it is none. The name may have blanks and parentheses in it. */
export function parseStat(text: string): Stat | null {
  const start = text.indexOf(' (')
  const end = text.lastIndexOf(') ')
  if (start < 0 || end < start) return null
  const name = text.slice(start + 2, end)
  // The state is the third of all.
  const fields = text.slice(end + 2)
  return {
    name,
    state: fields.charAt(0),
    field: (place) => Number(fields.split(' ', place - 2)[place - 3] ?? 0),
  }
}

/** Reads a file of /proc; null when the process has ended, or is not this user's to look at. */
export function readProc(path: string): string | null {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return null
  }
}
