import { chmodSync, mkdirSync } from 'node:fs'
import { inventoryNotWritable } from '../errors/host.js'
import { directoryOf } from '../units/path.js'
import { readAltnames } from './altnames.js'
import type { InventoryEntry, PciDevice } from './facts.js'
import { INVENTORY_PATH, mergeInventory, readInventory } from './inventory.js'
import { errorCode } from './sysfs.js'
import { openSysroot } from './sysroot.js'
import { readWhereabouts } from './whereabouts.js'
import { writeWhole } from './write-whole.js'

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

/**
 * Saves the inventory. A launch at the same time reads the old file or the new one; so it is after a power cut.
 * Everyone may read it, since libvirt starts VMs as its own user.
 * @throws {UserError} exit 77 when this user may not write it, 69 when the disk cannot take it
 */
export function writeInventory(sysroot: string, entries: readonly InventoryEntry[]): void {
  const file = openSysroot(sysroot) + INVENTORY_PATH
  try {
    if (mkdirSync(directoryOf(file), { recursive: true, mode: 0o755 }) !== undefined)
      chmodSync(directoryOf(file), 0o755)
    writeWhole(file, `${JSON.stringify({ version: 1, devices: entries }, null, 2)}\n`, 0o644)
  } catch (error) {
    throw inventoryNotWritable({ file, reason: errorCode(error) ?? String(error) })
  }
}
