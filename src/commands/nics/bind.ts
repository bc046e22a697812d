import { bindToVfio, type WriteSysfs, writeSysfs } from '../../bind/driver.js'
import { hasDriverctl, overrideDriver } from '../../bind/driverctl.js'
import { usedByHost } from '../../bind/obstacle.js'
import { nicNotReady } from '../../errors/nics.js'
import { saveInventory } from '../../host/save-inventory.js'
import { openSysroot } from '../../host/sysroot.js'
import { describeDevice } from '../../plan/nics/describe.js'
import { isVfioDriver, noGroup } from '../../plan/nics/readiness.js'
import { writeAll } from '../../report/output.js'
import { type HostOptions, readHost } from './host.js'
import { devicesNamed } from './named.js'

type BindOptions = HostOptions & { readonly force: boolean }

/** Gives the devices of a NIC or pool to vfio-pci, and says what was done. @throws {UserError} see `bindNamed` */
export async function bindNics(name: string, options: BindOptions): Promise<void> {
  await bindNamed(name, options, writeSysfs, (line) => writeAll(1, `${line}\n`))
}

/**
 * Gives the devices of a NIC or pool to vfio-pci, after their names and MACs have been saved.
 * @param say is given a line for each device
 * @throws {UserError} exit 69 when one of them cannot be given; none is changed then. 77 without root's rights
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
  for (const device of devices) {
    const trouble = noGroup(device) ?? (options.force ? null : usedByHost(root, device))
    if (trouble !== null) throw nicNotReady({ name, ...trouble })
  }
  const unbound = devices.filter(({ driver }) => !isVfioDriver(driver))
  if (unbound.length > 0) saveInventory(options.sysroot, host.pci)
  const forGood = hasDriverctl(root)
  for (const device of devices) {
    const what = describeDevice(device)
    if (!unbound.includes(device)) {
      say(`${what}: has ${device.driver} already`)
      continue
    }
    if (forGood) await overrideDriver(device.address, 'vfio-pci')
    else await bindToVfio(root, device.address, write)
    say(
      `${what}: ${device.driver ?? 'no driver'} → vfio-pci, ${forGood ? 'for good' : 'until the next boot'}`,
    )
  }
}
