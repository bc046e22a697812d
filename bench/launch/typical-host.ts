import { uevent, writeFiles } from '../../test/host/made-host.js'
import { hostOfPlenty } from '../../test/launcher/many-hosts.js'

const NICS = 4
const OTHERS = 44
const CPUS = 16

/** A compute node: four equal NICs that vfio-pci has, among the bridges, controllers and whatever else is on PCI. */
export function typicalHost(root: string): void {
  hostOfPlenty(root, NICS, CPUS)
  for (let index = 0; index < OTHERS; index++) {
    const directory = `/sys/bus/pci/devices/0000:00:${hex(index >> 3)}.${index & 7}`
    writeFiles(root, {
      [`${directory}/uevent`]: uevent('pcieport', '8086:a190', '60400'),
      [`${directory}/numa_node`]: '0\n',
      [`${directory}/iommu_group`]: { to: `../../../../kernel/iommu_groups/${NICS + index}` },
    })
  }
}

function hex(number: number): string {
  return number.toString(16).padStart(2, '0')
}
