import libraries from '../libraries.cjs'

/**
 * The known name that a mistyped one most likely means.
 * @returns null when nothing is near: more than a third of the letters (at least two) would have to change
 */
export function nearest(name: string, known: readonly string[]): string | null {
  if (known.length === 0) return null
  const { closest, distance } = libraries.levenshtein()
  const best = closest(name.toLowerCase(), known as string[])
  const allowed = Math.max(2, Math.floor(name.length / 3))
  return distance(name.toLowerCase(), best.toLowerCase()) <= allowed ? best : null
}

/** `did you mean 'x'?`, or null when nothing is near. */
export function didYouMean(name: string, known: readonly string[]): string | null {
  const near = nearest(name, known)
  return near === null ? null : `did you mean '${near}'?`
}
