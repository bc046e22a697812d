import { comparePciAddresses, type PciAddress } from '../units/pci-address.js'
import type { InventoryEntry, NetInterface } from './facts.js'
import { compareInventory, type FoundDevice } from './inventory-check.js'

export { INVENTORY_PATH, readInventory, writeInventory } from './inventory-file.js'

/**
 * Matches the saved inventory to the devices of today.
 * @returns entries by address, and a warning line for each entry that holds no longer
 */
export function checkInventory(
  entries: readonly InventoryEntry[],
  devices: readonly FoundDevice[],
): { readonly fitting: ReadonlyMap<PciAddress, InventoryEntry>; readonly warnings: readonly string[] } {
  const { fitting, misfits } = compareInventory(entries, devices)
  const there = new Map(devices.map((device) => [device.address, device]))
  const current = [...fitting].filter(([address, entry]) => agrees(entry, there.get(address)))
  return {
    fitting: new Map(current),
    warnings: misfits.map(
      (line) => `${line}; ignored, run qemu-rt nics scan when a kernel driver has the card`,
    ),
  }
}

/** What a device shows itself goes before what was saved: an entry with other MACs adds nothing but confusion. */
function agrees(entry: InventoryEntry, device: FoundDevice | undefined): boolean {
  const live = device?.interfaces ?? []
  return live.length === 0 || entry.interfaces.some(({ mac }) => live.some((nic) => nic.mac === mac))
}

/**
 * Makes the inventory that `nics scan` saves. A device with interfaces is saved as it is now; one without, because
 * vfio-pci has it or its interfaces are in another network namespace, keeps its old entry if that still fits.
 * @param seen further altnames by interface name, see `readAltnames`
 * @returns entries sorted by address, and a line for each old entry that is dropped
 */
export function mergeInventory(
  old: readonly InventoryEntry[],
  devices: readonly FoundDevice[],
  seen: Readonly<Record<string, readonly string[]>>,
): { readonly entries: readonly InventoryEntry[]; readonly dropped: readonly string[] } {
  const live = devices.filter(({ interfaces }) => interfaces.length > 0)
  const refreshed = new Set(live.map(({ address }) => address))
  const { fitting, misfits } = compareInventory(old, devices)
  const kept = [...fitting.values()].filter(({ address }) => !refreshed.has(address))
  const entries = [...live.map((device) => entryOf(device, seen)), ...kept]
  return { entries: entries.sort((a, b) => comparePciAddresses(a.address, b.address)), dropped: misfits }
}

function entryOf(device: FoundDevice, seen: Readonly<Record<string, readonly string[]>>): InventoryEntry {
  const { address, vendor, device: id, subsystemVendor, subsystemDevice, serial } = device
  const interfaces = device.interfaces.map((nic) => withAltnames(nic, seen))
  return { address, vendor, device: id, subsystemVendor, subsystemDevice, serial, interfaces }
}

function withAltnames(nic: NetInterface, seen: Readonly<Record<string, readonly string[]>>): NetInterface {
  const more = Object.hasOwn(seen, nic.name) ? (seen[nic.name] ?? []) : []
  return { ...nic, altnames: [...new Set([...nic.altnames, ...more])].filter((name) => name !== nic.name) }
}
