/** How often, and for how long, something smaller is tried. */
const MOST_TRIES = 2000
const MOST_MS = 10_000

/**
 * Makes an input smaller as long as it stays at fault: first without some of its texts, then without pieces of them.
 * @param isFaulty whether an input has the same fault
 */
export function shrink(
  input: readonly string[],
  isFaulty: (input: readonly string[]) => boolean,
): readonly string[] {
  let tries = 0
  const end = performance.now() + MOST_MS
  const holds = (candidate: readonly string[]) =>
    tries++ < MOST_TRIES && performance.now() < end && isFaulty(candidate)
  let now = input.length > 1 ? without(input, (texts) => holds(texts)) : input
  for (let at = 0; at < now.length; at++) {
    const chars = (now[at] ?? '').split('')
    const smaller = without(chars, (kept) => holds(now.with(at, kept.join(''))))
    now = now.with(at, smaller.join(''))
  }
  return now
}

/** Leaves out ever smaller runs of a list. */
function without<T>(list: readonly T[], holds: (list: readonly T[]) => boolean): readonly T[] {
  let now = list
  for (
    let length = Math.ceil(now.length / 2);
    length >= 1;
    length = length === 1 ? 0 : Math.ceil(length / 2)
  ) {
    for (let at = 0; at < now.length; ) {
      const candidate = [...now.slice(0, at), ...now.slice(at + length)]
      if (holds(candidate)) now = candidate
      else at += length
    }
  }
  return now
}
