/** What int64_t holds (qobject-input-visitor.c, qobject_input_type_int64_keyval). */
const MOST = (1n << 63n) - 1n

/** No such number has more digits; a number of megabytes takes seconds. */
const LONGEST = 80

const BLANKS = '[ \\t\\n\\v\\f\\r]*'
const DIGITS = '(0x[0-9a-f]+|0b[01]+|0[0-7]*|[1-9][0-9]*)'
const INTEGER = new RegExp(`^${BLANKS}([+-]?)${DIGITS}$`, 'i')

/**
 * Reads an integer as QEMU does (util/cutils.c, qemu_strtoi64, by strtoll(3) with base 0): `0x` is hexadecimal, another
 * `0` in front octal, and blanks may stand before it. `0b` is binary where QEMU was built with glibc 2.38 or later; an
 * older one refuses it.
 * @returns null for what is no integer of 64 bits
 */
export function parseInteger(text: string): bigint | null {
  const [all, sign, digits = ''] = (text.length > LONGEST ? null : INTEGER.exec(text)) ?? []
  if (all === undefined) return null
  const isOctal = /^0[0-7]+$/.test(digits)
  const size = BigInt(isOctal ? `0o${digits.slice(1)}` : digits)
  const value = sign === '-' ? -size : size
  return value > MOST || value < -MOST - 1n ? null : value
}
