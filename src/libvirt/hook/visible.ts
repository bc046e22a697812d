import { nodeHidden } from '../../errors/libvirt.js'
import type { QemuConf } from '../qemu-conf.js'

/** The node that every use of VFIO opens first. */
const VFIO_CONTAINER = '/dev/vfio/vfio'

/**
 * Checks that QEMU will see the nodes that it is given: libvirt makes it a /dev of its own, and a list of devices for its
 * cgroup, from what it knows itself.
 * @param nodes `/dev/vfio/12`
 * @throws {UserError} exit 69 with the line for qemu.conf
 */
export function checkVisible(nodes: readonly string[], conf: QemuConf): void {
  if (nodes.length === 0 || !(conf.hasOwnDev || conf.limitsDevices)) return
  const needed = [VFIO_CONTAINER, ...nodes]
  const missing = needed.filter((node) => !conf.deviceAcl.includes(node))
  if (missing.length > 0) throw nodeHidden({ missing, acl: [...conf.deviceAcl, ...missing] })
}
