import type { UserError } from '../errors/user-error.js'
import type { PciDevice } from '../host/facts.js'
import { run } from '../host/program.js'
import type { Root } from '../host/sysroot.js'
import { isVfioDriver } from '../plan/nics/readiness.js'
import type { TakenDevice } from '../record/vm.js'
import { giveNode, giveNodeBack } from './device-node.js'
import { bindToVfio, giveBack, type WriteSysfs } from './driver.js'

/**
 * Gets devices ready for a QEMU: bound to vfio-pci, their nodes its user's. All of them, or none.
 * @param uid user that QEMU runs as
 * @param record is given what is to be given back, before each change: so it is known even if this process is killed
 * @throws {UserError} see `bindToVfio` and `giveNode`; everything is as before then
 */
export async function claimDevices(
  root: Root,
  devices: readonly PciDevice[],
  uid: number,
  write: WriteSysfs,
  record: (taken: readonly TakenDevice[]) => void,
): Promise<void> {
  const taken = new Map<string, TakenDevice>()
  const note = (one: TakenDevice) => {
    taken.set(one.address, { ...taken.get(one.address), ...one })
    record([...taken.values()])
  }
  try {
    for (const { address, driver, vfioNode } of devices) {
      if (!isVfioDriver(driver)) {
        note({ address, driver })
        await bindToVfio(root, address, write)
        // udev may have a rule for the node that has come.
        if (root === '') await run(['udevadm', 'settle', '--timeout=5'])
      }
      if (vfioNode === null) continue
      const owner = giveNode(root, vfioNode.path, uid)
      if (owner !== uid) note({ address, node: { path: vfioNode.path, uid: owner } })
    }
  } catch (error) {
    giveDevicesBack(root, [...taken.values()], write)
    record([])
    throw error
  }
}

/**
 * Gives devices back to who had them, the last one first. One that cannot be given back keeps none of the others.
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
  for (const { address, driver, node } of [...taken].reverse()) {
    if (node !== undefined) attempt(() => giveNodeBack(root, node.path, node.uid))
    if (driver !== undefined) attempt(() => giveBack(root, address, driver, write))
  }
  return errors
}
