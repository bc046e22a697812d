import { EXIT } from '../errors/user-error.js'
import type { PciDevice } from '../host/facts.js'
import type { Root } from '../host/sysroot.js'
import { isVfioDriver, type Obstacle } from '../plan/nics/readiness.js'
import { interfaceUse } from './interface-use.js'

/** Checks that the host does not use a device itself, so that it can be taken. */
export function usedByHost(root: Root, device: PciDevice): Obstacle | null {
  const use = isVfioDriver(device.driver) ? null : interfaceUse(root, device)
  if (use === null) return null
  return {
    what: `the host uses ${device.address} itself: ${use}`,
    todo: `take it out of that use first, or take it away all the same: qemu-rt nics bind --force ${device.address}`,
    exitCode: EXIT.unavailable,
  }
}
