/** Chance that can be had again: the same seed gives the same numbers. */
export interface Random {
  /** A whole number from 0 to `below` - 1; 0 for 0. */
  below(below: number): number
  /** Whether something of one chance in `times` happens. */
  once(times: number): boolean
  pick<T>(list: readonly T[]): T
}

/** Makes numbers from a seed and where in a run they are used, so that each input can be made by itself (sfc32). */
export function randomFrom(seed: number, name: string, index: number): Random {
  let [a, b, c, counter] = [seed | 0, hash(name), index | 0, 1]
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return sum >>> 0
  }
  for (let round = 0; round < 12; round++) next()
  const below = (limit: number) => Math.floor((next() / 2 ** 32) * limit)
  return {
    below,
    once: (times) => below(times) === 0,
    pick<T>(list: readonly T[]): T {
      const index = below(list.length)
      if (index >= list.length) throw new RangeError('nothing to pick from')
      return list[index] as T
    },
  }
}

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193)
  return value
}
