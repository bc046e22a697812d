import {
  checkClosed,
  describeVirtual,
  driverOf,
  giveToHost,
  type WriteSysfs,
  writeSysfs,
} from '../../change/driver.js'
import { hasDriverctl, overrideDriver } from '../../change/driverctl.js'
import { noDriverTakes, stillHeld } from '../../errors/bind.js'
import type { PciDevice } from '../../host/facts.js'
import { openSysroot } from '../../host/sysroot.js'
import { describeHolding, holdingOf } from '../../plan/leases.js'
import { describeDevice } from '../../plan/nics/describe.js'
import { isOnVfio } from '../../plan/nics/readiness.js'
import { readLeases } from '../../record/leases/read.js'
import { writeAll } from '../../report/output.js'
import { printable } from '../../units/printable.js'
import { type HostOptions, readHost, refuseSysroot } from './host.js'
import { devicesNamed } from './named.js'

/**
 * Gives the devices of a NIC or pool back to the host, and says what was done.
 * @throws {UserError} exit 64 with a sysroot; see `unbindNamed`
 */
export async function unbindNics(name: string, options: HostOptions): Promise<void> {
  refuseSysroot('nics unbind', options)
  await unbindNamed(name, options, writeSysfs, (line) => writeAll(1, `${printable(line)}\n`))
}

/**
 * Gives the devices of a NIC or pool back to the host's drivers.
 * @param say is given a line for each device
 * @throws {UserError} exit 69 when a VM or another process has one of them (none is changed then) or no driver takes it, 77 without root's
 *   rights
 */
export async function unbindNamed(
  name: string,
  options: HostOptions,
  write: WriteSysfs,
  say: (line: string) => void,
): Promise<void> {
  const { policy, host } = await readHost(options)
  const root = openSysroot(options.sysroot)
  const devices = devicesNamed(name, policy, host)
  const { held } = readLeases(options.sysroot, root === '' ? 'check' : 'assume')
  for (const device of devices) {
    for (const one of goingWith(device, host.pci)) {
      const holding = holdingOf(held, one, host.pci)
      if (holding === undefined) continue
      const label = one === device ? describeDevice(one) : describeVirtual(one.address, device.address)
      throw stillHeld({ device: label, why: describeHolding(holding, one) })
    }
    // A VM without a lease, such as one whose command line has the address; or a switch.
    if (isOnVfio(device)) checkClosed(root, device.address)
  }
  for (const device of devices) {
    const { address, driver } = device
    if (driver !== null && !isOnVfio(device)) {
      say(`${describeDevice(device)}: has ${driver} already`)
      continue
    }
    if (hasDriverctl(root)) await overrideDriver(address, null)
    else giveToHost(root, address, write)
    const now = driverOf(root, address)
    if (now === null) throw noDriverTakes({ address })
    say(`${describeDevice(device)}: ${driver ?? 'no driver'} → ${now}`)
  }
}

/** The device, and its virtual functions where these end with vfio-pci's hold on it. */
function goingWith(device: PciDevice, pci: readonly PciDevice[]): readonly PciDevice[] {
  const virtual = pci.filter(({ virtualFunction }) => virtualFunction?.pf === device.address)
  return isOnVfio(device) ? [device, ...virtual] : [device]
}
