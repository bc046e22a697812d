import { comparePciAddresses, type PciAddress } from '../units/pci-address.js'
import type { InventoryEntry, NetInterface, UncountedEntry } from './facts.js'
import { compareInventory, describeEntry, type FoundDevice, type Misfit } from './inventory-check.js'
import type { Whereabouts } from './whereabouts.js'

export { INVENTORY_PATH, readInventory } from './inventory-file.js'

/** What the saved inventory is worth today. */
export interface InventoryToday {
  readonly fitting: ReadonlyMap<PciAddress, InventoryEntry>
  readonly uncounted: readonly UncountedEntry[]
  readonly warnings: readonly string[]
}

/**
 * Matches the saved inventory to the devices of today.
 * @returns entries by address; those that do not count, or not with their MAC; and a warning line for those that do not count
 */
export function checkInventory(
  entries: readonly InventoryEntry[],
  devices: readonly FoundDevice[],
  here: Whereabouts,
): InventoryToday {
  const { counting, misfits, expired } = compareInventory(entries, devices, here)
  const there = new Map(devices.map((device) => [device.address, device]))
  const current = [...counting].filter(([address, entry]) => agrees(entry, there.get(address)))
  const uncounted = [...misfits.map(({ movedTo: _, ...misfit }) => misfit), ...expired]
  return { fitting: new Map(current), uncounted, warnings: warningsOf(misfits) }
}

/** Unverified entries are many at a time, after an update or when bus numbers have changed: one line for all alike. */
function warningsOf(misfits: readonly Misfit[]): string[] {
  const alike = new Map<string, Misfit[]>()
  for (const misfit of misfits) {
    const cause = `${misfit.problem}; ignored, ${misfit.todo}`
    const key = misfit.why === 'unverified' ? cause : `${misfit.entry.address} ${cause}`
    alike.set(key, [...(alike.get(key) ?? []), misfit])
  }
  return [...alike.values()].flatMap(([first, ...more]) => {
    if (first === undefined) return []
    return `saved NIC ${describeEntry(first.entry)}${andMore(more)} ${first.problem}; ignored, ${first.todo}`
  })
}

/** What a device shows itself goes before what was saved: an entry with other MACs adds nothing but confusion. */
function agrees(entry: InventoryEntry, device: FoundDevice | undefined): boolean {
  const live = device?.interfaces ?? []
  return live.length === 0 || entry.interfaces.some(({ mac }) => live.some((nic) => nic.mac === mac))
}

/** What `nics scan` saves, and a line for each old entry that did not simply stay. */
export interface MergedInventory {
  /** Sorted by address. */
  readonly entries: readonly InventoryEntry[]
  readonly notes: readonly string[]
}

/**
 * Makes the inventory that `nics scan` saves. A device with interfaces is saved as it is now. One without, because
 * vfio-pci has it or its interfaces are in another network namespace, keeps its old entry if that still counts; it is of
 * this boot then, and a MAC that does not count is not saved again. An entry follows its card to another address. One that
 * nothing verifies stays as it is: root, or a later boot, may verify it.
 * @param seen further altnames by interface name, see `readAltnames`
 */
export function mergeInventory(
  old: readonly InventoryEntry[],
  devices: readonly FoundDevice[],
  seen: Readonly<Record<string, readonly string[]>>,
  here: Whereabouts,
): MergedInventory {
  const { counting, misfits, expired } = compareInventory(old, devices, here)
  const entries = new Map<PciAddress, InventoryEntry>()
  const notes = notesOfExpired(expired)
  const add = (entry: InventoryEntry) => {
    if (entries.has(entry.address)) return false
    entries.set(entry.address, entry)
    return true
  }
  for (const device of devices.filter(hasOwnInterface)) add(entryOf(device, seen, here))
  for (const entry of counting.values()) add(atPlace(entry, entry.address, here))
  for (const { entry, why, problem, todo, movedTo } of misfits) {
    const nic = `saved NIC ${describeEntry(entry)}`
    if (movedTo !== null && add(atPlace(entry, movedTo, here))) notes.push(`moved: ${nic} is ${movedTo} now`)
    else if (why === 'unverified' && add(entry)) notes.push(`not verified: ${nic} ${problem}; ${todo}`)
    else notes.push(`dropped: ${nic} ${problem}`)
  }
  return {
    entries: [...entries.values()].sort((a, b) => comparePciAddresses(a.address, b.address)),
    notes,
  }
}

/** A card may have hundreds of virtual functions, and all are alike: one line. */
function notesOfExpired([first, ...more]: readonly UncountedEntry[]): string[] {
  if (first === undefined) return []
  return [`MAC dropped: saved NIC ${describeEntry(first.entry)}${andMore(more)} ${first.problem}`]
}

function andMore({ length }: readonly unknown[]): string {
  return length === 0 ? '' : ` (and ${length} more)`
}

/** An entry whose device is known to be at an address in this boot. */
function atPlace(
  entry: InventoryEntry,
  address: PciAddress,
  { bootId, bridgesOf }: Whereabouts,
): InventoryEntry {
  return { ...entry, address, bootId, bridges: bridgesOf(address) }
}

/** Of a physical function whose own interface is elsewhere the representors of its ports may be here. */
function hasOwnInterface({ interfaces }: FoundDevice): boolean {
  return interfaces.some(({ port }) => port === undefined)
}

function entryOf(
  device: FoundDevice,
  seen: Readonly<Record<string, readonly string[]>>,
  { bootId, bridgesOf }: Whereabouts,
): InventoryEntry {
  const { address, vendor, device: id, subsystemVendor, subsystemDevice, serial } = device
  const own = device.interfaces.filter(({ port }) => port === undefined)
  const interfaces = own.map((nic) => withAltnames(nic, seen))
  const identity = { address, vendor, device: id, subsystemVendor, subsystemDevice, serial }
  return { ...identity, bootId, bridges: bridgesOf(address), interfaces }
}

function withAltnames(nic: NetInterface, seen: Readonly<Record<string, readonly string[]>>): NetInterface {
  const more = Object.hasOwn(seen, nic.name) ? (seen[nic.name] ?? []) : []
  return { ...nic, altnames: [...new Set([...nic.altnames, ...more])].filter((name) => name !== nic.name) }
}
