import type { PciAddress } from '../units/pci-address.js'
import type { InventoryEntry, PciDevice } from './facts.js'

/** A device without what the inventory says of it. */
export type FoundDevice = Omit<PciDevice, 'inventory'>

/** What is in the inventory and holds today, and what does not. */
export interface CheckedInventory {
  readonly fitting: ReadonlyMap<PciAddress, InventoryEntry>
  /** One line each: what was saved, what is there instead. */
  readonly misfits: readonly string[]
}

/**
 * Compares saved devices with those that are there: the address must hold the same card, and a saved MAC must not be
 * in use by another device. The serial number counts only when both are known, as only root can read it.
 */
export function compareInventory(
  entries: readonly InventoryEntry[],
  devices: readonly FoundDevice[],
): CheckedInventory {
  const there = indexDevices(devices)
  const fitting = new Map<PciAddress, InventoryEntry>()
  const misfits: string[] = []
  for (const entry of entries) {
    const problem = misfit(entry, there)
    if (problem === null) fitting.set(entry.address, entry)
    else misfits.push(`saved NIC ${describe(entry)} ${problem}`)
  }
  return { fitting, misfits }
}

interface Devices {
  readonly all: readonly FoundDevice[]
  readonly byAddress: ReadonlyMap<string, FoundDevice>
  readonly byMac: ReadonlyMap<string, readonly FoundDevice[]>
}

function indexDevices(all: readonly FoundDevice[]): Devices {
  const byMac = new Map<string, FoundDevice[]>()
  for (const device of all) {
    for (const { mac } of device.interfaces)
      if (mac !== null) byMac.set(mac, [...(byMac.get(mac) ?? []), device])
  }
  return { all, byAddress: new Map(all.map((device) => [device.address, device])), byMac }
}

function misfit(entry: InventoryEntry, there: Devices): string | null {
  const device = there.byAddress.get(entry.address)
  const moved = movedTo(entry, there)
  if (device === undefined) return moved === null ? 'is no longer there' : `has moved to ${moved}`
  if (identity(device) !== identity(entry)) {
    const now = `is ${identity(device)} now, not ${identity(entry)}`
    return moved === null ? now : `${now}; it has moved to ${moved}`
  }
  if (entry.serial !== null && device.serial !== null && entry.serial !== device.serial) {
    const now = `is another card now, serial ${device.serial}, not ${entry.serial}`
    return moved === null ? now : `${now}; it has moved to ${moved}`
  }
  return stolenMac(entry, device, there)
}

function stolenMac(entry: InventoryEntry, device: FoundDevice, { byMac }: Devices): string | null {
  for (const { mac } of entry.interfaces) {
    const holders = mac === null ? [] : (byMac.get(mac) ?? [])
    const [other] = holders.includes(device) ? [] : holders
    if (other !== undefined) return `has lost its MAC ${mac}, which ${other.address} has now`
  }
  return null
}

/** Where the saved card is now: by a MAC in use, or by its serial number, which all functions of a card share. */
function movedTo(entry: InventoryEntry, { all, byMac }: Devices): PciAddress | null {
  const [byItsMac] = entry.interfaces.flatMap(({ mac }) => (mac === null ? [] : (byMac.get(mac) ?? [])))
  if (byItsMac !== undefined) return byItsMac.address
  const [bySerial, ...more] = all.filter((device) => isSameFunction(device, entry))
  return bySerial === undefined || more.length > 0 ? null : bySerial.address
}

function isSameFunction(device: FoundDevice, entry: InventoryEntry): boolean {
  return (
    device.serial !== null &&
    device.serial === entry.serial &&
    device.address.at(-1) === entry.address.at(-1) &&
    identity(device) === identity(entry)
  )
}

/** IDs as in lspci -n, with the subsystem's, so that two makers' boards with one chip differ. */
function identity(
  device: Pick<InventoryEntry, 'vendor' | 'device' | 'subsystemVendor' | 'subsystemDevice'>,
): string {
  return `${device.vendor}:${device.device} (${device.subsystemVendor}:${device.subsystemDevice})`
}

function describe({ address, interfaces }: InventoryEntry): string {
  const [nic] = interfaces
  const facts = [nic?.name, nic?.mac].filter(Boolean).join(', ')
  return facts === '' ? address : `${address} (${facts})`
}
