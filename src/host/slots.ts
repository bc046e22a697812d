import type { PciAddress } from '../units/pci-address.js'
import { listDirectory, readAttribute } from './sysfs.js'
import type { Root } from './sysroot.js'

/**
 * Reads the physical slots. A slot's address has no function, `0000:03:00`, so that all functions of a card are in it;
 * or not even a device, `0000:03`, when the slot is a whole bus (Linux drivers/pci/slot.c, address_read_file).
 * @returns a function that gives the name of the slot that a device is in, or null
 */
export function readSlots(root: Root): (address: PciAddress) => string | null {
  const path = `${root}/sys/bus/pci/slots`
  const names = new Map<string, string>()
  for (const name of (listDirectory(path) ?? []).sort().reverse()) {
    const place = readAttribute(`${path}/${name}/address`)
    if (place !== null) names.set(place, name)
  }
  return (address) => {
    if (names.size === 0) return null
    const card = address.slice(0, address.lastIndexOf('.'))
    return names.get(card) ?? names.get(card.slice(0, card.lastIndexOf(':'))) ?? null
  }
}
