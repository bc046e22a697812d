import { readAltnames } from './altnames.js'
import type { PciDevice } from './facts.js'
import { mergeInventory, readInventory, writeInventory } from './inventory.js'
import { openSysroot } from './sysroot.js'
import { readWhereabouts } from './whereabouts.js'

/**
 * Saves names, MAC addresses and serial numbers of the NICs that have an interface now, so that they can be found when
 * vfio-pci has them.
 * @param pci the host's devices
 * @returns how many NICs are in the inventory, and a line for each that did not simply stay in it
 * @throws {UserError} exit 77 when the inventory cannot be written
 */
export function saveInventory(sysroot: string, pci: readonly PciDevice[]) {
  // Altnames given by hand are only the kernel's to tell; a captured host has no kernel to ask.
  const altnames = sysroot === '/' ? readAltnames() : {}
  const here = readWhereabouts(openSysroot(sysroot))
  const { entries, notes } = mergeInventory(readInventory(sysroot), pci, altnames, here)
  writeInventory(sysroot, entries)
  return { saved: entries.length, notes }
}
