import type { PciDevice } from '../host/facts.js'
import type { Root } from '../host/sysroot.js'
import { isVfioDriver } from '../plan/nics/readiness.js'
import { bindToVfio, driverOf, giveBack, type WriteSysfs } from './driver.js'
import { overrideDriver } from './driverctl.js'

/** A way to give devices to vfio-pci. */
export interface Binder {
  readonly bind: (device: PciDevice) => Promise<void>
  /** Gives a device back to the driver that it had, whether `bind` came to its end or not. */
  readonly undo: (device: PciDevice) => Promise<void>
}

/** Until the next boot. */
export function sysfsBinder(root: Root, write: WriteSysfs): Binder {
  return {
    bind: ({ address }) => bindToVfio(root, address, write),
    undo: async ({ address, driver }) => giveBack(root, address, driver, write),
  }
}

/** For good, by driverctl(8): when it fails it leaves a device with the override and without a driver. */
export function driverctlBinder(root: Root, write: WriteSysfs): Binder {
  return {
    bind: ({ address }) => overrideDriver(address, 'vfio-pci'),
    async undo({ address, driver }) {
      // What it saves for the next boot it has saved only when vfio-pci has the device.
      if (isVfioDriver(driverOf(root, address))) await overrideDriver(address, null)
      giveBack(root, address, driver, write)
    },
  }
}

/**
 * Gives devices to vfio-pci: all of them, or none.
 * @param warn is given a line for each device that could not be given back when another one failed
 * @throws {UserError} see `bindToVfio` and `overrideDriver`
 */
export async function bindAll(
  root: Root,
  devices: readonly PciDevice[],
  { bind, undo }: Binder,
  warn: (line: string) => void,
): Promise<void> {
  const begun: PciDevice[] = []
  try {
    for (const device of devices) {
      begun.unshift(device)
      await bind(device)
    }
  } catch (error) {
    for (const device of begun) await undoOrWarn(root, device, undo, warn)
    throw error
  }
}

async function undoOrWarn(
  root: Root,
  device: PciDevice,
  undo: Binder['undo'],
  warn: (line: string) => void,
): Promise<void> {
  try {
    await undo(device)
  } catch (error) {
    // Without root's rights nothing was changed, and nothing can be undone.
    if (driverOf(root, device.address) !== device.driver) {
      warn(error instanceof Error ? error.message : String(error))
    }
  }
}
