/** A PCI address in the kernel's full form, `dddd:bb:ss.f`, lower-case hex: `0000:03:00.1`. */
export type PciAddress = string & { readonly unit: 'PciAddress' }

const PATTERN = /^(?:([0-9a-f]{1,8}):)?([0-9a-f]{1,2}):([01]?[0-9a-f])\.([0-7])$/i

/** What the kernel writes, and so nearly every address: it is to be taken as it is. */
const FULL_FORM = /^[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/

/**
 * Reads a PCI address in any form that QEMU and lspci take: with or without the domain, with or without
 * leading zeros. Domains are 16 bits on most hosts and up to 32 bits behind Intel VMD, which numbers them
 * from 0x10000 (Linux: drivers/pci/controller/vmd.c), so they are padded to four digits, not cut to four.
 * @returns the full form, or null when the text is not a PCI address
 */
export function parsePciAddress(text: string): PciAddress | null {
  if (FULL_FORM.test(text)) return text as PciAddress
  const match = PATTERN.exec(text)
  if (match === null) return null
  const [, domain = '0', bus = '', device = '', fn = ''] = match
  const hex = (digits: string, width: number) => Number.parseInt(digits, 16).toString(16).padStart(width, '0')
  return `${hex(domain, 4)}:${hex(bus, 2)}:${hex(device, 2)}.${fn}` as PciAddress
}

/** Whether its domain has more than the 16 bits that a PCI domain has anywhere but behind Intel VMD. */
export function hasWideDomain(address: PciAddress): boolean {
  return address.indexOf(':') > 4
}

/** Sorts by domain, bus, device and function, as numbers. */
export function comparePciAddresses(a: PciAddress, b: PciAddress): number {
  const [left, right] = [sortKey(a), sortKey(b)]
  return left === right ? 0 : left < right ? -1 : 1
}

function sortKey(address: PciAddress): string {
  return address.padStart(16, '0')
}
