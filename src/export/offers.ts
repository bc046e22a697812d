import type { Policy } from '../config/policy.js'
import { EXIT } from '../errors/user-error.js'
import type { PciDevice } from '../host/facts.js'
import type { UseOf } from '../host/use/use.js'
import { findNicOrWhy } from '../plan/nics/find.js'
import type { KnownHost } from '../plan/nics/known-host.js'
import { type Obstacle, obstacles, obstacleToBinding } from '../plan/nics/readiness.js'
import type { Withheld } from './subject.js'

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

const NOTHING_CONFIGURED =
  "no NIC is configured; write a [nic.NAME] for each NIC that VMs may have, see 'qemu-rt nics list'"

/**
 * Counts what this host has of each configured NIC, so that another system can hand it out by number. No device is counted
 * twice: one that a NIC of its own and a pool both mean is the former's, and of two pools the first's by name. The devices of
 * an IOMMU group count once in a pool, since no two VMs can have them (Linux Documentation/driver-api/vfio.rst).
 */
export function offersOf(policy: Policy, host: KnownHost, useOf: UseOf): Offers {
  const names = Object.keys(policy.nics).sort(byCodePoint)
  const isPool = (name: string) => policy.nics[name]?.pool === true
  const taken = new Map<PciDevice, string>()
  const notes = names.length === 0 ? [NOTHING_CONFIGURED] : []
  const found = new Map<string, readonly PciDevice[]>()
  for (const name of [...names.filter((one) => !isPool(one)), ...names.filter(isPool)]) {
    const nic = findNicOrWhy(name, policy, host)
    if (typeof nic === 'string') {
      notes.push(nic)
      continue
    }
    const { devices } = nic
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

/** A line for each unit that another system is not to hand out. */
export function withheldNotes(offers: readonly Offer[], withheld: Withheld): readonly string[] {
  return offers.flatMap(({ name, units }) =>
    units.flatMap((unit) => {
      const obstacle = withheld(unit)
      return obstacle === null ? [] : [`NIC '${name}': ${obstacle.what}; ${obstacle.todo}`]
    }),
  )
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
