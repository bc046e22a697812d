import type { Policy } from '../config/policy.js'
import { EXIT } from '../errors/user-error.js'
import type { HostFacts, PciDevice } from '../host/facts.js'
import type { UseOf } from '../host/use/use.js'
import { type Obstacle, obstacles, obstacleToBinding } from '../plan/nics/readiness.js'
import { selectDevices } from '../plan/nics/select.js'
import { whyNothing } from '../plan/nics/why-nothing.js'

/** What one VM at a time can have of a NIC's name: a device, or the devices of one IOMMU group. */
export interface Unit {
  /** Sorted by address; more than one where a pool has several devices of a group. */
  readonly devices: readonly PciDevice[]
  /** Why no VM can have it as it is now; null when one can. */
  readonly notReady: Obstacle | null
  /** Why root could not give it to VFIO either; null when that is possible, or done. */
  readonly notBindable: Obstacle | null
}

/** A NIC's name and what this host has of it. */
export interface Offer {
  readonly name: string
  readonly units: readonly Unit[]
}

export interface Offers {
  /** Sorted by name; a name that means nothing here is not among them. */
  readonly offers: readonly Offer[]
  /** Why something is not offered, one line each. */
  readonly notes: readonly string[]
}

/** What can be known of a host without asking it again. */
type KnownHost = Pick<HostFacts, 'pci' | 'otherInterfaces' | 'uncounted'>

/**
 * Counts what this host has of each configured NIC, so that another system can hand it out by number. No device is counted
 * twice: one that a NIC of its own and a pool both mean is the former's, and of two pools the first's by name. The devices of
 * an IOMMU group count once in a pool, since no two VMs can have them (Linux Documentation/driver-api/vfio.rst).
 */
export function offersOf(policy: Pick<Policy, 'nics'>, host: KnownHost, useOf: UseOf): Offers {
  const names = Object.keys(policy.nics).sort(byCodePoint)
  const isPool = (name: string) => policy.nics[name]?.pool === true
  const taken = new Map<PciDevice, string>()
  const notes: string[] = []
  const found = new Map<string, readonly PciDevice[]>()
  for (const name of [...names.filter((one) => !isPool(one)), ...names.filter(isPool)]) {
    const devices = devicesOf(name, policy, host, notes)
    for (const device of devices) {
      const other = taken.get(device)
      if (other !== undefined) notes.push(`NIC '${name}': ${device.address} is counted for '${other}'`)
    }
    const own = devices.filter((device) => !taken.has(device))
    for (const device of own) taken.set(device, name)
    if (own.length > 0) found.set(name, own)
  }
  const offers = names.flatMap((name) => {
    const devices = found.get(name)
    return devices === undefined ? [] : [{ name, units: unitsOf(devices, host.pci, useOf) }]
  })
  return { offers, notes }
}

/** @param withheld what keeps a unit from another system; null when nothing does */
export function withheldNotes(
  offers: readonly Offer[],
  withheld: (unit: Unit) => Obstacle | null,
): readonly string[] {
  return offers.flatMap(({ name, units }) =>
    units.flatMap((unit) => {
      const obstacle = withheld(unit)
      return obstacle === null ? [] : [`NIC '${name}': ${obstacle.what}; ${obstacle.todo}`]
    }),
  )
}

/** @param notes gets a line when the name means nothing, or too much */
function devicesOf(
  name: string,
  policy: Pick<Policy, 'nics'>,
  host: KnownHost,
  notes: string[],
): readonly PciDevice[] {
  const selector = policy.nics[name]
  if (selector === undefined) return []
  const devices = selectDevices(selector, host)
  if (devices.length === 0) {
    const { what, todo } = whyNothing(selector, host)
    notes.push(`NIC '${name}' means no device: ${what}${todo === null ? '' : `; ${todo}`}`)
  }
  if (devices.length > 1 && !selector.pool) {
    notes.push(
      `NIC '${name}' means ${devices.length} devices; add a selector, or pool = true if any of them will do`,
    )
    return []
  }
  return devices
}

function unitsOf(devices: readonly PciDevice[], pci: readonly PciDevice[], useOf: UseOf): Unit[] {
  const byGroup = new Map<number | string, PciDevice[]>()
  for (const device of devices) {
    const key = device.iommuGroup ?? device.address
    byGroup.set(key, [...(byGroup.get(key) ?? []), device])
  }
  return [...byGroup.values()].map((members) => ({
    devices: members,
    notReady: least(members.map((device) => firstOf(obstacles(device, pci, useOf)))),
    notBindable: least(members.map((device) => firstOf([obstacleToBinding(device, pci, useOf)]))),
  }))
}

/** Whether this user may open a node says nothing of the user that QEMU will run as. */
function firstOf(troubles: readonly (Obstacle | null)[]): Obstacle | null {
  return troubles.find((one) => one !== null && one.exitCode !== EXIT.permission) ?? null
}

/** One device that can be had makes its group one that can be had. */
function least(troubles: readonly (Obstacle | null)[]): Obstacle | null {
  return troubles.includes(null) ? null : (troubles[0] ?? null)
}

function byCodePoint(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
