import type { PciDevice } from '../host/facts.js'
import { interfaceUse } from '../host/interface-use.js'
import type { Root } from '../host/sysroot.js'
import { inUse, isVfioDriver, type Obstacle } from '../plan/nics/readiness.js'

/** Says what the host uses a device for itself; null when it uses it for nothing. */
export function hostUse(root: Root, device: PciDevice): string | null {
  return isVfioDriver(device.driver) ? null : interfaceUse(root, device)
}

/** Checks that the host does not use a device itself, so that it can be taken. */
export function usedByHost(root: Root, device: PciDevice): Obstacle | null {
  const use = hostUse(root, device)
  if (use === null) return null
  const trouble = inUse(device, use)
  const force = `or take it away all the same: qemu-rt nics bind --force ${device.address}`
  return { ...trouble, todo: `${trouble.todo}, ${force}` }
}
