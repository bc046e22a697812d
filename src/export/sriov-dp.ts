import { kubernetesName, renamed } from './names.js'
import type { Exported, ExportSubject, Withheld } from './subject.js'

/** A Kubernetes resource name, behind its prefix (apimachinery, IsQualifiedName). */
const LONGEST = 63

/**
 * Makes a configuration of the SR-IOV network device plugin (its README, "Configurations"): each NIC as a resource
 * `qemu-rt/NAME`, with the devices that it may hand out. One without any is left out: an empty list of addresses would mean every
 * device.
 * @throws {UserError} see `renamed`
 */
export function sriovDevicePlugin({ offers }: ExportSubject, withheld: Withheld): Exported {
  const named = renamed(offers, kubernetesName, LONGEST)
  const resourceList = named.flatMap(({ as, units }) => {
    const devices = units.flatMap((unit) => (withheld(unit) === null ? unit.devices : []))
    if (devices.length === 0) return []
    return [
      {
        resourceName: as,
        resourcePrefix: 'qemu-rt',
        selectors: {
          pciAddresses: devices.map(({ address }) => address),
          drivers: [...new Set(devices.flatMap(({ driver }) => driver ?? []))].sort(),
        },
      },
    ]
  })
  return { text: `${JSON.stringify({ resourceList }, null, 2)}\n`, notes: [] }
}
