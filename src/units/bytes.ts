/** A size in bytes. BigInt, because guest memory and QEMU's sizes go beyond 2^53. */
export type Bytes = bigint

const SHIFT: Readonly<Record<string, bigint>> = { b: 0n, k: 10n, m: 20n, g: 30n, t: 40n, p: 50n, e: 60n }

/** QEMU's sizes are unsigned 64-bit numbers. */
const LIMIT = 1n << 64n

/** No size needs more; a number of megabytes of digits takes seconds. */
const LONGEST_SIZE = 128

/**
 * Reads a size as QEMU does (util/cutils.c, do_strtosz): decimal with an optional fraction and suffix B, K, M, G, T,
 * P or E in either case, all powers of 1024; or hexadecimal, whose suffix is K, M, G, T or P (refused by 11.1).
 * Blanks and a `+` may stand before it; a `0` in front is not octal here; `.5G` is refused by 7.2.
 * @param defaultSuffix what a bare number counts in. QEMU reads that of -m in bytes first and puts an M to what ends in a
 *   digit (system/vl.c, parse_memory_options): `-m 0x40` is 64 MiB, `-m 0x4a` is 74 bytes, `-m 1.5` is refused
 * @returns bytes, or null when the text is not a size, does not fit 64 bits or is longer than 128 characters
 */
export function parseBytes(text: string, defaultSuffix: 'b' | 'm' = 'b'): Bytes | null {
  if (text.length > LONGEST_SIZE) return null
  const bytes = readSize(text.replace(/^[ \t\n\v\f\r]*\+?/, ''))
  return bytes !== null && defaultSuffix === 'm' && /[0-9]$/.test(text) ? fit(bytes << 20n) : bytes
}

function readSize(text: string): Bytes | null {
  const hex = /^(0x[0-9a-f]+)([kmgtp])?$/i.exec(text)
  if (hex !== null) return fit(BigInt(hex[1] ?? 0) << (SHIFT[(hex[2] ?? 'b').toLowerCase()] ?? 0n))
  const match = /^(?=\.?\d)(\d*)(?:\.(\d*))?([bkmgtpe])?$/i.exec(text)
  if (match === null) return null
  const [, whole = '', fraction = '', suffix = 'b'] = match
  const shift = SHIFT[suffix.toLowerCase()] ?? 0n
  // A fraction of a byte means nothing (QEMU: "fractional" sizes need a suffix larger than B).
  if (fraction !== '' && shift === 0n && /[1-9]/.test(fraction)) return null
  const scale = 10n ** BigInt(fraction.length)
  const part = fraction === '' ? 0n : ((BigInt(fraction) << shift) * 2n + scale) / (scale * 2n)
  return fit((BigInt(whole || 0) << shift) + part)
}

function fit(bytes: bigint): Bytes | null {
  return bytes < LIMIT ? bytes : null
}

/** Writes a size for people, to the byte: `4 GiB`, `1.5 GiB`, `219136 KiB`. pretty-bytes would round it. */
export function formatBytes(bytes: Bytes): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  let power = 0
  while (
    power < 4 &&
    bytes >= 1n << BigInt(10 * (power + 1)) &&
    bytes % (1n << BigInt(10 * power + 9)) === 0n
  ) {
    power++
  }
  const halves = bytes >> BigInt(Math.max(0, 10 * power - 1))
  const number = power === 0 ? bytes.toString() : (Number(halves) / 2).toString()
  return `${number} ${units[power]}`
}
