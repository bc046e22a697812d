import { bindToVfio, writeSysfs } from '../../bind/driver.js'
import { hasDriverctl, overrideDriver } from '../../bind/driverctl.js'
import { usedByHost } from '../../bind/obstacle.js'
import { nicNotReady } from '../../errors/nics.js'
import type { PciDevice } from '../../host/facts.js'
import { saveInventory } from '../../host/save-inventory.js'
import { openSysroot } from '../../host/sysroot.js'
import { describeDevice } from '../../plan/nics/describe.js'
import { isVfioDriver, noGroup } from '../../plan/nics/readiness.js'
import { writeAll } from '../../report/output.js'
import { type HostOptions, readHost } from './host.js'
import { devicesNamed } from './named.js'

/**
 * Gives the devices of a NIC or pool to vfio-pci, after their names and MACs have been saved, and says what was done.
 * @throws {UserError} exit 69 when one of them cannot be given; none is changed then. 77 without root's rights
 */
export async function bindNics(
  name: string,
  options: HostOptions & { readonly force: boolean },
): Promise<void> {
  const { policy, host } = readHost(options)
  const root = openSysroot(options.sysroot)
  const devices = devicesNamed(name, policy, host)
  for (const device of devices) {
    const trouble = noGroup(device) ?? (options.force ? null : usedByHost(root, device))
    if (trouble !== null) throw nicNotReady({ name, ...trouble })
  }
  const unbound = devices.filter(({ driver }) => !isVfioDriver(driver))
  if (unbound.length > 0) saveInventory(options.sysroot, host.pci)
  const forGood = hasDriverctl(root)
  for (const device of devices) {
    if (!unbound.includes(device)) say(device, `has ${device.driver} already`)
    else {
      if (forGood) await overrideDriver(device.address, 'vfio-pci')
      else await bindToVfio(root, device.address, writeSysfs)
      say(
        device,
        `${device.driver ?? 'no driver'} → vfio-pci, ${forGood ? 'for good' : 'until the next boot'}`,
      )
    }
  }
}

function say(device: PciDevice, what: string): void {
  writeAll(1, `${describeDevice(device)}: ${what}\n`)
}
