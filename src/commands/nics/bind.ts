import { bindAll, driverctlBinder, sysfsBinder } from '../../change/bind-all.js'
import { type WriteSysfs, writeSysfs } from '../../change/driver.js'
import { hasDriverctl } from '../../change/driverctl.js'
import { type MayTake, usedBeyondForce, usedByHost } from '../../change/obstacle.js'
import { nicNotReady } from '../../errors/nics.js'
import type { PciDevice } from '../../host/facts.js'
import { saveInventory } from '../../host/save-inventory.js'
import { openSysroot } from '../../host/sysroot.js'
import { describeDevice } from '../../plan/nics/describe.js'
import { isOnVfio, unfit } from '../../plan/nics/readiness.js'
import { report, writeAll } from '../../report/output.js'
import { printable } from '../../units/printable.js'
import { type HostOptions, readHost, refuseSysroot } from './host.js'
import { devicesNamed } from './named.js'

type BindOptions = HostOptions & { readonly force: boolean }

/**
 * Gives the devices of a NIC or pool to vfio-pci, and says what was done.
 * @throws {UserError} exit 64 with a sysroot; see `bindNamed`
 */
export async function bindNics(name: string, options: BindOptions): Promise<void> {
  refuseSysroot('nics bind', options)
  await bindNamed(name, options, writeSysfs, (line) => writeAll(1, `${printable(line)}\n`))
}

/**
 * Gives the devices of a NIC or pool to vfio-pci, after their names and MACs have been saved.
 * @param say is given a line for each device, once all of them are bound
 * @throws {UserError} exit 69 when one of them cannot be given; all have the drivers that they had then. 77 without root's
 *   rights
 */
export async function bindNamed(
  name: string,
  options: BindOptions,
  write: WriteSysfs,
  say: (line: string) => void,
): Promise<void> {
  const { policy, host } = await readHost(options)
  const root = openSysroot(options.sysroot)
  const devices = devicesNamed(name, policy, host)
  const mayTake: MayTake = (device) => (options.force ? usedBeyondForce : usedByHost)(root, device)
  checkAll(name, devices, (device) => mayTake(device) ?? unfit(device))
  const unbound = devices.filter((device) => !isOnVfio(device))
  if (unbound.length > 0) saveInventory(options.sysroot, host.pci)
  const forGood = hasDriverctl(root)
  const binder = forGood ? driverctlBinder(root, write) : sysfsBinder(root, write)
  await bindAll(root, unbound, binder, mayTake, (line) => report(`warning: ${line}`))
  for (const device of devices) say(`${describeDevice(device)}: ${outcome(device, forGood)}`)
}

function checkAll(name: string, devices: readonly PciDevice[], obstacleOf: MayTake): void {
  for (const device of devices) {
    const trouble = obstacleOf(device)
    if (trouble !== null) throw nicNotReady({ name, ...trouble })
  }
}

/** What was done with a device, by the driver that it had. */
function outcome(device: PciDevice, forGood: boolean): string {
  const { driver } = device
  if (isOnVfio(device)) return `has ${driver} already`
  return `${driver ?? 'no driver'} → vfio-pci, ${forGood ? 'for good' : 'until the next boot'}`
}
