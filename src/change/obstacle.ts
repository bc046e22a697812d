import type { PciDevice } from '../host/facts.js'
import type { Root } from '../host/sysroot.js'
import { hostUseOf } from '../host/use/host-use.js'
import { type Obstacle, obstaclesOfUse } from '../plan/nics/readiness.js'
import { isForcible } from '../plan/nics/uses.js'

/** Checks that a device can be taken from the host; null when it can. Asked again, it looks again. */
export type MayTake = (device: PciDevice) => Obstacle | null

/**
 * Checks that the host does not use a device itself, as it is now, so that it can be taken. What cannot be looked into
 * counts as a use.
 */
export function usedByHost(root: Root, device: PciDevice): Obstacle | null {
  return obstaclesOfUse(device, hostUseOf(root))[0] ?? null
}

/** The same for a person who takes a device by force, which goes for some uses and not for others. */
export function usedBeyondForce(root: Root, device: PciDevice): Obstacle | null {
  return isForcible(hostUseOf(root)(device)) ? null : usedByHost(root, device)
}
