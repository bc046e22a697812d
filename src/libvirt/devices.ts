import { nodeHidden } from '../errors/libvirt.js'
import type { PciDevice } from '../host/facts.js'
import type { Root } from '../host/sysroot.js'
import type { Opening } from '../plan/nics/requests.js'
import type { Domain } from './domain.js'
import { type QemuConf, qemuUid, readQemuConf } from './qemu-conf.js'

/** The node that every use of VFIO opens first. */
const VFIO_CONTAINER = '/dev/vfio/vfio'

/** Of the devices that a domain gets, those that libvirt does not get ready itself: it knows nothing of them. */
export function unknownToLibvirt(
  devices: readonly PciDevice[],
  { hostdevs }: Pick<Domain, 'hostdevs'>,
): PciDevice[] {
  return devices.filter((device) => !hostdevs.some(({ address }) => address === device.address))
}

/** A device with the node that QEMU opens it by, which is its own or its group's. */
export function withNodeOf(device: PciDevice, by: Opening['by']): PciDevice {
  return by === 'iommufd' ? { ...device, vfioNode: device.cdev ?? null } : device
}

/**
 * Checks that QEMU can be given devices that libvirt knows nothing of.
 * @returns UID of QEMU's user
 * @throws {UserError} exit 69 with the line for qemu.conf when QEMU will not see their nodes, or there is no such user
 */
export function checkDevices(
  devices: readonly PciDevice[],
  { user }: Pick<Domain, 'user'>,
  root: Root,
): number {
  const conf = readQemuConf(root)
  checkVisible([...new Set(devices.flatMap(({ vfioNode }) => vfioNode?.path ?? []))], conf)
  return qemuUid(root, user ?? conf.user)
}

/**
 * libvirt makes QEMU a /dev of its own, and a list of devices for its cgroup, from what it knows itself.
 * @param nodes `/dev/vfio/12`
 */
function checkVisible(nodes: readonly string[], conf: QemuConf): void {
  if (nodes.length === 0 || !(conf.hasOwnDev || conf.limitsDevices)) return
  const needed = [VFIO_CONTAINER, ...nodes]
  const missing = needed.filter((node) => !conf.deviceAcl.includes(node))
  if (missing.length > 0) throw nodeHidden({ missing, acl: [...conf.deviceAcl, ...missing] })
}
