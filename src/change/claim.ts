import { deviceInUse } from '../errors/bind.js'
import type { UserError } from '../errors/user-error.js'
import type { PciDevice } from '../host/facts.js'
import { run } from '../host/program.js'
import type { Root } from '../host/sysroot.js'
import type { TakenDevice } from '../record/hook-request.js'
import { nodeStep, undoNode } from './device-node.js'
import { bindToVfio, driverStep, undoDriver, type WriteSysfs } from './driver.js'
import { usedByHost } from './obstacle.js'
import { makeAll } from './step.js'

/**
 * Gets devices ready for a QEMU: bound to vfio-pci, their nodes its user's. All of them, or none. Whether the host uses one
 * is looked at again right before it is taken: since it was chosen another process may have made it a bridge's.
 * @param uid user that QEMU runs as
 * @param record is given what is to be given back, before each change: so it is known even if this process is killed
 * @throws {UserError} exit 69 for a device that the host uses; see `bindToVfio` and `giveNode`; everything is as before then
 */
export async function claimDevices(
  root: Root,
  devices: readonly PciDevice[],
  uid: number,
  write: WriteSysfs,
  record: (taken: readonly TakenDevice[]) => void,
): Promise<void> {
  const bind = async (device: PciDevice) => {
    const obstacle = usedByHost(root, device)
    if (obstacle !== null) throw deviceInUse(obstacle)
    await bindToVfio(root, device.address, write)
    // udev may have a rule for the node that has come.
    if (root === '') await run(['udevadm', 'settle', '--timeout=5'])
  }
  const steps = devices.flatMap((device) => [
    driverStep(root, device.address, write, () => bind(device)),
    ...(device.vfioNode === null ? [] : [nodeStep(root, device.address, device.vfioNode.path, uid)]),
  ])
  await makeAll(steps, record)
}

/**
 * Gives devices back to who had them, the last one first. One that cannot be given back keeps none of the others. Done
 * again it changes nothing.
 * @returns what went wrong
 */
export function giveDevicesBack(root: Root, taken: readonly TakenDevice[], write: WriteSysfs): UserError[] {
  const errors: UserError[] = []
  const attempt = (step: () => void) => {
    try {
      step()
    } catch (error) {
      errors.push(error as UserError)
    }
  }
  for (const one of [...taken].reverse()) {
    attempt(() => undoNode(root, one))
    attempt(() => undoDriver(root, one, write))
  }
  return errors
}
