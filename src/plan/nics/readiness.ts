import { EXIT, type ExitCode } from '../../errors/user-error.js'
import type { PciDevice } from '../../host/facts.js'

/** Why a device cannot be given to a VM now, and the command that mends it. */
export interface Obstacle {
  readonly what: string
  readonly todo: string
  readonly exitCode: ExitCode
}

/** Says what the host uses a device for itself, such as `eth0 has addresses`; null for nothing. */
export type UseOf = (device: PciDevice) => string | null

/**
 * Drivers that leave a device to user space: vfio-pci and its vendor variants (mlx5_vfio_pci, hisi_acc_vfio_pci, …;
 * Linux Documentation/driver-api/vfio-pci-device-specific-driver-acceptance.rst).
 */
const VFIO_DRIVER = /(^|[-_])vfio[-_]pci$/

/**
 * Drivers that a group member may have besides: the kernel's stub, and the port driver of bridges, which does no DMA of
 * its own (Linux Documentation/driver-api/vfio.rst, "VFIO Usage Example").
 */
const HARMLESS_DRIVERS = new Set(['pci-stub', 'pcieport'])

/**
 * Checks that QEMU can open a device through VFIO: bound to vfio-pci, in an IOMMU group without a device that a host
 * driver has, with a /dev/vfio node that this user may open.
 * @returns null when it can
 */
export function obstacle(device: PciDevice, pci: readonly PciDevice[]): Obstacle | null {
  return notBound(device) ?? noGroup(device) ?? foreignInGroup(device, pci) ?? nodeTrouble(device)
}

/**
 * Checks that a device can be bound to vfio-pci for a VM, as root.
 * @returns null when it can, or is already
 */
export function obstacleToBinding(device: PciDevice, pci: readonly PciDevice[]): Obstacle | null {
  const others = pci.filter(({ address }) => address !== device.address)
  return noGroup(device) ?? foreignInGroup(device, others)
}

/**
 * Lists all that keeps a device from being given to a VM, the host's own use first. To bind a device is the last step,
 * and is advised when nothing else is left to do.
 * @returns nothing when QEMU can open it
 */
export function obstacles(device: PciDevice, pci: readonly PciDevice[], useOf: UseOf): Obstacle[] {
  const others = pci.filter(({ address }) => address !== device.address)
  const use = useOf(device)
  const before = [
    use === null ? null : inUse(device, use),
    noGroup(device) ?? foreignInGroup(device, others, useOf),
  ].filter((trouble) => trouble !== null)
  const unbound = notBound(device)
  if (unbound === null) return [...before, nodeTrouble(device)].filter((trouble) => trouble !== null)
  return before.length === 0 ? [unbound] : [...before, { ...unbound, todo: 'see to the above first' }]
}

/** What is said of a device that the host uses itself. @param use see `UseOf` */
export function inUse({ address }: PciDevice, use: string): Obstacle {
  return {
    what: `the host uses ${address} itself: ${use}`,
    todo: 'take it out of that use first',
    exitCode: EXIT.unavailable,
  }
}

export function isVfioDriver(driver: string | null): boolean {
  return driver !== null && VFIO_DRIVER.test(driver)
}

function notBound({ address, driver, interfaces }: PciDevice): Obstacle | null {
  if (isVfioDriver(driver)) return null
  const names = interfaces.map(({ name }) => name).join(', ')
  const holder = driver === null ? 'no driver' : `${driver}${names === '' ? '' : ` (${names})`}`
  return {
    what: `${address} is bound to ${holder}, not to vfio-pci`,
    todo: `run as root: qemu-rt nics bind ${address}`,
    exitCode: EXIT.unavailable,
  }
}

/** Checks that a device is in an IOMMU group, without which VFIO cannot give it to a VM. */
export function noGroup({ address, iommuGroup }: PciDevice): Obstacle | null {
  if (iommuGroup !== null) return null
  return {
    what: `${address} is in no IOMMU group`,
    todo: 'turn on VT-d or AMD-Vi in the firmware and boot with intel_iommu=on (Intel) iommu=pt',
    exitCode: EXIT.unavailable,
  }
}

/** @param useOf a device that the host uses itself is not advised to be given away */
function foreignInGroup(
  device: PciDevice,
  pci: readonly PciDevice[],
  useOf: UseOf = () => null,
): Obstacle | null {
  const foreign = pci.filter(
    ({ iommuGroup, driver }) =>
      iommuGroup === device.iommuGroup &&
      driver !== null &&
      !isVfioDriver(driver) &&
      !HARMLESS_DRIVERS.has(driver),
  )
  const [first] = foreign
  if (first === undefined) return null
  const names = foreign.map(({ address, driver }) => `${address} (${driver})`).join(', ')
  const used = foreign.find((one) => useOf(one) !== null)
  const otherwise =
    used === undefined
      ? `, or give the whole group away: qemu-rt nics bind ${first.address}`
      : `: the host uses ${used.address} itself (${useOf(used)})`
  return {
    what: `IOMMU group ${device.iommuGroup} of ${device.address} also holds ${names}`,
    todo: `move the card to a slot of its own${otherwise}`,
    exitCode: EXIT.unavailable,
  }
}

function nodeTrouble({ address, vfioNode }: PciDevice): Obstacle | null {
  if (vfioNode === null || vfioNode.access === 'ok') return null
  if (vfioNode.access === 'missing') {
    return {
      what: `${vfioNode.path} of ${address} is missing`,
      todo:
        `run as root: modprobe vfio-pci && qemu-rt nics bind ${address}; if it is there on the host, libvirt hides it: ` +
        `add "/dev/vfio/vfio" and "${vfioNode.path}" to cgroup_device_acl in /etc/libvirt/qemu.conf`,
      exitCode: EXIT.unavailable,
    }
  }
  return {
    what: `${vfioNode.path} of ${address} cannot be opened by this user`,
    todo: `run as root: chown USER ${vfioNode.path} (libvirt's QEMU user is libvirt-qemu or qemu), or install libvirt's hook`,
    exitCode: EXIT.permission,
  }
}
