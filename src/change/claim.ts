import type { UserError } from '../errors/user-error.js'
import type { PciDevice } from '../host/facts.js'
import { run } from '../host/program.js'
import type { Root } from '../host/sysroot.js'
import type { TakenDevice } from '../record/vm.js'
import { isOnVfio } from '../units/pci-driver.js'
import { nodeStep, undoNode } from './device-node.js'
import { bindToVfio, driverStep, loadVfio, undoDriver, type WriteSysfs } from './driver.js'
import { undoInterrupts } from './interrupts.js'
import { type MayTake, usedByHost } from './obstacle.js'
import { makeAll } from './step.js'

/**
 * Gets devices ready for a QEMU: bound to vfio-pci, their nodes its user's. All of them, or none. See
 * `driverStep` for one that the host uses.
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
  const bind = async ({ address }: PciDevice) => {
    bindToVfio(root, address, write)
    // udev may have a rule for the node that has come.
    if (root === '') await run(['udevadm', 'settle', '--timeout=5'])
  }
  const mayTake: MayTake = (device) => usedByHost(root, device)
  const steps = devices.flatMap((device) => [
    driverStep(root, device, write, mayTake, () => bind(device)),
    ...(device.vfioNode === null ? [] : [nodeStep(root, device.address, device.vfioNode.path, uid)]),
  ])
  if (devices.some((device) => !isOnVfio(device))) await loadVfio(root)
  await makeAll(steps, (taken) => record(merge(taken)))
}

/**
 * Gives devices back to who had them, the last one first. One that cannot be given back keeps none of the others. Done
 * again it changes nothing.
 * @param until when to stop looking for who has them open, see `searchEnd`
 * @returns what went wrong
 */
export function giveDevicesBack(
  root: Root,
  taken: readonly TakenDevice[],
  write: WriteSysfs,
  until?: number,
): UserError[] {
  const errors: UserError[] = []
  const attempt = (step: () => void) => {
    try {
      step()
    } catch (error) {
      errors.push(error as UserError)
    }
  }
  for (const one of [...taken].reverse()) {
    attempt(() => undoInterrupts(root, one))
    attempt(() => undoNode(root, one))
    attempt(() => undoDriver(root, one, write, until))
  }
  return errors
}

/** One entry a device: its driver and its node are changed by two steps. */
function merge(taken: readonly TakenDevice[]): TakenDevice[] {
  const byDevice = new Map<string, TakenDevice>()
  for (const one of taken) byDevice.set(one.address, { ...byDevice.get(one.address), ...one })
  return [...byDevice.values()]
}
