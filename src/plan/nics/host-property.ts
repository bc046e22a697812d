import { type PciAddress, parsePciAddress } from '../../units/pci-address.js'

/** What of a text one number is, and what comes after it. */
interface Leading {
  readonly value: bigint
  readonly rest: string
}

const NUMBER = {
  16: /^[ \t\n\v\f\r]*([+-]?)(?:0x(?=[\da-f]))?0*([\da-f]*)/i,
  10: /^[ \t\n\v\f\r]*([+-]?)0*(\d*)/,
} as const

/** More digits than any 64 bits have. */
const TOO_LONG = 21

/**
 * Which device `host=` of vfio-pci names, as QEMU reads it (hw/core/qdev-properties-system.c, set_pci_host_devaddr; measured with
 * 7.2): domain, bus and slot by strtoul(3) with base 16 and the function with base 10, so that blanks, a sign, zeros, and `0x` where
 * the base is 16, may stand before each; slot and function are cut to 32 bits.
 * @returns null for what QEMU refuses
 */
export function readHostProperty(text: string): PciAddress | null {
  const first = after(text, '', 16)
  const second = after(first?.rest, ':', 16)
  const third = after(second?.rest, ':', 16)
  const [domain, bus, slot] =
    third === null ? [0n, first?.value, second] : [first?.value, second?.value, third]
  const fn = after(slot?.rest, '.', 10)
  if (domain === undefined || bus === undefined || slot === null || fn?.rest !== '') return null
  if (domain > 0xffffn || bus > 0xffn) return null
  const [device, number] = [BigInt.asUintN(32, slot.value), BigInt.asUintN(32, fn.value)]
  return parsePciAddress(`${hex(domain)}:${hex(bus)}:${hex(device)}.${number}`)
}

function hex(value: bigint): string {
  return value.toString(16)
}

/** The number after a mark at the start of a text; null without. */
function after(text: string | undefined, mark: string, base: 10 | 16): Leading | null {
  return text?.startsWith(mark) ? readUnsigned(text.slice(mark.length), base) : null
}

/** strtoul(3) where a long has 64 bits: a sign turns the value, and one that is too large becomes the largest. */
function readUnsigned(text: string, base: 10 | 16): Leading | null {
  const [all = '', sign, digits = ''] = NUMBER[base].exec(text) ?? []
  if (!/\d|[a-f]/i.test(all)) return null
  const rest = text.slice(all.length)
  const size = digits.length > TOO_LONG ? -1n : BigInt(`${base === 16 ? '0x' : ''}0${digits}`)
  if (size < 0n || size >= 1n << 64n) return { value: (1n << 64n) - 1n, rest }
  return { value: BigInt.asUintN(64, sign === '-' ? -size : size), rest }
}
