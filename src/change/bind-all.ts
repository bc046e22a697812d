import type { PciDevice } from '../host/facts.js'
import type { Root } from '../host/sysroot.js'
import { isVfioDriver } from '../units/pci-driver.js'
import { bindToVfio, driverOf, driverStep, loadVfio, undoDriver, type WriteSysfs } from './driver.js'
import { overrideDriver } from './driverctl.js'
import type { MayTake } from './obstacle.js'
import { makeAll, type Step } from './step.js'

/** A way to give a device to vfio-pci, and back to the driver that it had whether that came to its end or not. */
export type Binder = (device: PciDevice, mayTake: MayTake) => Step

/** Until the next boot. */
export function sysfsBinder(root: Root, write: WriteSysfs): Binder {
  return (device, mayTake) =>
    driverStep(root, device, write, mayTake, () => bindToVfio(root, device.address, write))
}

/** For good, by driverctl(8): when it fails it leaves a device with the override and without a driver. */
export function driverctlBinder(root: Root, write: WriteSysfs): Binder {
  return (device, mayTake) => {
    const { address } = device
    return {
      ...driverStep(root, device, write, mayTake, () => overrideDriver(address, 'vfio-pci')),
      async undo(before) {
        // What it saves for the next boot it has saved only when vfio-pci has the device.
        if (isVfioDriver(driverOf(root, address))) await overrideDriver(address, null)
        undoDriver(root, before, write)
      },
    }
  }
}

/**
 * Gives devices to vfio-pci: all of them, or none.
 * @param mayTake says what keeps a device from being taken, as it is when it is asked
 * @param warn is given a line for each device that could not be given back when another one failed
 * @throws {UserError} exit 69 for a device that may not be taken; see `bindToVfio` and `overrideDriver`
 */
export async function bindAll(
  root: Root,
  devices: readonly PciDevice[],
  binder: Binder,
  mayTake: MayTake,
  warn: (line: string) => void,
): Promise<void> {
  const steps = devices.map((device) => {
    const step = binder(device, mayTake)
    return { ...step, undo: (before: Parameters<Step['undo']>[0]) => undoOrWarn(root, step, before, warn) }
  })
  if (devices.length > 0) await loadVfio(root)
  // What a person binds is to stay: nothing is recorded.
  await makeAll(steps, () => {})
}

async function undoOrWarn(
  root: Root,
  { undo }: Step,
  before: Parameters<Step['undo']>[0],
  warn: (line: string) => void,
): Promise<void> {
  try {
    await undo(before)
  } catch (error) {
    // Without root's rights nothing was changed, and nothing can be undone.
    if (driverOf(root, before.address) !== before.driver) {
      warn(error instanceof Error ? error.message : String(error))
    }
  }
}
