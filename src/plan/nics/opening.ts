import { type CommandLine, findOptions, propertiesAt } from '../../argv/command-line.js'
import type { Properties } from '../../argv/properties.js'
import type { VfioNode } from '../../host/facts.js'

/** How QEMU opens a device through VFIO, as the device's properties have it. */
export interface Opening {
  /** By the node of its IOMMU group, or by the device's own node and /dev/iommu (QEMU 8.2, hw/vfio/device.c and iommufd.c). */
  readonly by: 'group' | 'iommufd'
  /** /dev/iommu, where QEMU opens it itself; null where it need not, or is given it open (`-object iommufd,fd=`). */
  readonly iommu: VfioNode | null
  /** Whether it has a token for a virtual function whose physical function is on VFIO, too (`vf-token=`, QEMU 8.1). */
  readonly hasToken: boolean
}

/** How QEMU opens a device of which nobody says more. */
export const BY_GROUP: Opening = { by: 'group', iommu: null, hasToken: false }

/**
 * @param properties of the device; null when it is made of its name alone
 * @param iommuNode see `HostFacts`
 */
export function openingOf(
  properties: Properties | null,
  line: CommandLine,
  iommuNode: VfioNode | null = null,
): Opening {
  const iommufd = properties?.get('iommufd') ?? ''
  const hasToken = (properties?.get('vf-token') ?? '') !== ''
  if (iommufd === '') return { ...BY_GROUP, hasToken }
  return { by: 'iommufd', iommu: isOpened(line, iommufd) ? null : iommuNode, hasToken }
}

function isOpened(line: CommandLine, id: string): boolean {
  return findOptions(line, 'object')
    .map(({ index }) => propertiesAt(line, index))
    .some((object) => object.get('id') === id && (object.get('fd') ?? '') !== '')
}
