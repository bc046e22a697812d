import type { PciAddress } from '../units/pci-address.js'
import type { InventoryEntry, PciDevice, UncountedEntry } from './facts.js'
import type { Whereabouts } from './whereabouts.js'

/** A device without what the inventory says of it. */
export type FoundDevice = Omit<PciDevice, 'inventory'>

/** A saved NIC that does not count today. */
export interface Misfit extends UncountedEntry {
  /** Where the same card is now, by its serial number or its place; null when that is not known. */
  readonly movedTo: PciAddress | null
}

/** What is in the inventory and counts today, and what does not. */
export interface CheckedInventory {
  readonly counting: ReadonlyMap<PciAddress, InventoryEntry>
  readonly misfits: readonly Misfit[]
  /** As saved, those that count without their MAC. */
  readonly expired: readonly UncountedEntry[]
}

/**
 * Compares saved devices with those that are there. An entry counts when the address holds such a card, no other device
 * has its MAC, and something shows that it is this very card: its serial number, or else the boot that it was saved in, or
 * the bridges above it. The serial number counts when both are known: only root can read it, and not every card has one.
 *
 * None of them tells a virtual function's MAC, which is no property of the card: it is made up when the function is made, or
 * set by `ip link set PF vf N mac` (Linux drivers/net/ethernet/intel/ixgbevf/ixgbevf_main.c, ixgbevf_sw_init). It counts in
 * the boot that it was saved in. Its name follows the physical function and the index, and stays.
 */
export function compareInventory(
  entries: readonly InventoryEntry[],
  devices: readonly FoundDevice[],
  here: Whereabouts,
): CheckedInventory {
  const there = indexDevices(devices, here)
  const counting = new Map<PciAddress, InventoryEntry>()
  const misfits: Misfit[] = []
  const expired: UncountedEntry[] = []
  for (const entry of entries) {
    const misfit = findMisfit(entry, there)
    const lost = misfit === null ? expiredMac(entry, there) : null
    if (misfit !== null) misfits.push(misfit)
    else counting.set(entry.address, lost === null ? entry : withoutMac(entry))
    if (lost !== null) expired.push(lost)
  }
  return { counting, misfits, expired }
}

interface Devices {
  readonly all: readonly FoundDevice[]
  readonly byAddress: ReadonlyMap<string, FoundDevice>
  readonly byMac: ReadonlyMap<string, readonly FoundDevice[]>
  readonly here: Whereabouts
}

function indexDevices(all: readonly FoundDevice[], here: Whereabouts): Devices {
  const byMac = new Map<string, FoundDevice[]>()
  for (const device of all) {
    for (const { mac } of device.interfaces)
      if (mac !== null) byMac.set(mac, [...(byMac.get(mac) ?? []), device])
  }
  return { all, byAddress: new Map(all.map((device) => [device.address, device])), byMac, here }
}

function findMisfit(entry: InventoryEntry, there: Devices): Misfit | null {
  const device = there.byAddress.get(entry.address)
  if (device === undefined) return elsewhere(entry, there, 'gone', 'is no longer there')
  if (identity(device) !== identity(entry)) {
    return elsewhere(entry, there, 'other', `is ${identity(device)} now, not ${identity(entry)}`)
  }
  if (differ(entry.serial, device.serial)) {
    const problem = `is another card now, serial ${device.serial}, not ${entry.serial}`
    return elsewhere(entry, there, 'other', problem)
  }
  const lost = isExpired(entry, device, there.here) ? null : lostMac(entry, device, there)
  if (lost !== null) return { entry, why: 'other', problem: lost, todo: SCAN_DRIVEN, movedTo: null }
  return isVerified(entry, device, there.here) ? null : unverified(entry)
}

const SCAN = 'run as root: qemu-rt nics scan'
const SCAN_DRIVEN = 'run as root, when a kernel driver has the card: qemu-rt nics scan'

function elsewhere(
  entry: InventoryEntry,
  there: Devices,
  why: UncountedEntry['why'],
  problem: string,
): Misfit {
  const movedTo = sameCard(entry, there)?.address ?? null
  const now = movedTo ?? holdersOfMacs(entry, there)[0]?.address ?? null
  if (now === null) return { entry, why, problem, todo: SCAN_DRIVEN, movedTo }
  const told = why === 'gone' ? `has moved to ${now}` : `${problem}; it has moved to ${now}`
  return { entry, why: 'moved', problem: told, todo: SCAN, movedTo }
}

/**
 * Whether it is shown that the device is the one that was saved. A MAC that it bears today shows it, too; a port
 * representor's is another function's.
 */
function isVerified(entry: InventoryEntry, device: FoundDevice, here: Whereabouts): boolean {
  return (
    isSame(entry.serial, device.serial) ||
    isSame(entry.bootId, here.bootId) ||
    isSame(entry.bridges, here.bridgesOf(device.address)) ||
    device.interfaces.some(({ port }) => port === undefined)
  )
}

/** Whether an entry's MAC is that of a virtual function in another boot, and the device shows none. */
function isExpired(entry: InventoryEntry, device: FoundDevice, { bootId }: Whereabouts): boolean {
  return (
    device.virtualFunction !== null &&
    device.interfaces.length === 0 &&
    entry.interfaces.some(({ mac }) => mac !== null) &&
    !isSame(entry.bootId, bootId)
  )
}

function expiredMac(entry: InventoryEntry, { byAddress, here }: Devices): UncountedEntry | null {
  const device = byAddress.get(entry.address)
  if (device === undefined || device.virtualFunction === null || !isExpired(entry, device, here)) return null
  const { pf, index } = device.virtualFunction
  const own = byAddress.get(pf)?.interfaces.find(({ port }) => port === undefined)
  return {
    entry,
    why: 'unverified',
    problem: 'may have another MAC now: it is a virtual function, and was saved in another boot',
    todo: `name it by pf = "${own?.name ?? pf}", vf = ${index}, see qemu-rt nics list`,
  }
}

/** A name that udev makes of the MAC goes with it: `enx3cfdfea10011` (systemd.net-naming-scheme(7)). */
const NAME_BY_MAC = /^[a-z]{2}x[\da-f]{12}$/

function withoutMac(entry: InventoryEntry): InventoryEntry {
  const interfaces = entry.interfaces.flatMap((nic) => {
    const [name, ...altnames] = [nic.name, ...nic.altnames].filter((one) => !NAME_BY_MAC.test(one))
    return name === undefined ? [] : [{ ...nic, name, altnames, mac: null }]
  })
  return { ...entry, interfaces }
}

function unverified(entry: InventoryEntry): Misfit {
  const then =
    entry.bootId === null && entry.bridges === null
      ? 'neither its boot nor its place was saved'
      : 'it was saved in another boot, below other bridges'
  const [serial, todo] =
    entry.serial === null
      ? ['no serial number was saved', SCAN_DRIVEN]
      : ['this user cannot compare its serial number', SCAN]
  return {
    entry,
    why: 'unverified',
    problem: `may be another card now: ${then}, and ${serial}`,
    todo,
    movedTo: null,
  }
}

function lostMac(entry: InventoryEntry, device: FoundDevice, { byMac }: Devices): string | null {
  for (const { mac } of entry.interfaces) {
    const holders = mac === null ? [] : (byMac.get(mac) ?? [])
    const [other] = holders.includes(device) ? [] : holders
    if (other !== undefined) return `has lost its MAC ${mac}, which ${other.address} has now`
  }
  return null
}

function holdersOfMacs({ interfaces }: InventoryEntry, { byMac }: Devices): readonly FoundDevice[] {
  return interfaces.flatMap(({ mac }) => (mac === null ? [] : (byMac.get(mac) ?? [])))
}

/**
 * The saved card at another address: by its serial number, which all functions of a card share, else by its place. A
 * virtual function has its card's number, and which of them it was the number does not say.
 */
function sameCard(entry: InventoryEntry, { all, here }: Devices): FoundDevice | null {
  const alike = all.filter(
    (device) =>
      device.address !== entry.address &&
      device.address.at(-1) === entry.address.at(-1) &&
      device.virtualFunction === null &&
      identity(device) === identity(entry) &&
      !differ(device.serial, entry.serial),
  )
  const bySerial = alike.filter(({ serial }) => isSame(serial, entry.serial))
  const byPlace = alike.filter(
    ({ address }) =>
      slotOf(address) === slotOf(entry.address) && isSame(here.bridgesOf(address), entry.bridges),
  )
  const [found, ...more] = bySerial.length > 0 ? bySerial : byPlace
  return found === undefined || more.length > 0 ? null : found
}

/** Device and function number, which a bus's number leaves alone. */
function slotOf(address: PciAddress): string {
  return address.slice(address.lastIndexOf(':'))
}

/** Whether both are known, and equal. */
function isSame(a: string | null, b: string | null): boolean {
  return a !== null && a === b
}

/** Whether both are known, and are not equal. */
function differ(a: string | null, b: string | null): boolean {
  return a !== null && b !== null && a !== b
}

/** IDs as in lspci -n, with the subsystem's, so that two makers' boards with one chip differ. */
function identity(
  device: Pick<InventoryEntry, 'vendor' | 'device' | 'subsystemVendor' | 'subsystemDevice'>,
): string {
  return `${device.vendor}:${device.device} (${device.subsystemVendor}:${device.subsystemDevice})`
}

/** A saved NIC for a message: `0000:03:00.2 (ens1f2, a0:36:9f:12:34:56)`. */
export function describeEntry({ address, interfaces }: InventoryEntry): string {
  const [nic] = interfaces
  const facts = [nic?.name, nic?.mac].filter(Boolean).join(', ')
  return facts === '' ? address : `${address} (${facts})`
}
