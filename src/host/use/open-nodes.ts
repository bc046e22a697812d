import type { PciAddress } from '../../units/pci-address.js'
import { devicePath } from '../pci.js'
import { listDirectory, readAttribute, readLink, readLinkName } from '../sysfs.js'
import type { Root } from '../sysroot.js'
import { cdevNames } from '../vfio.js'

/**
 * Finds a process that has a device's VFIO node open: the kernel does not take the device from vfio-pci before that has
 * closed it, and whoever writes to `unbind` waits (Linux drivers/vfio/vfio_main.c, vfio_unregister_group_dev). The node is
 * that of the whole group, or the device's own.
 * @returns its name and number; null when there is none, or none that this user may see
 */
export function openedBy(root: Root, address: PciAddress): string | null {
  const nodes = nodesOf(root, address)
  const pid =
    nodes.length === 0 ? undefined : processes(root).find((one) => isOpenIn(`${root}/proc/${one}`, nodes))
  if (pid === undefined) return null
  return `process ${pid} (${readAttribute(`${root}/proc/${pid}/comm`) ?? 'unknown'})`
}

/**
 * Whether a process may have a device's VFIO node open: one has, or there are processes whose descriptors this user may not
 * see.
 */
export function mayBeOpen(root: Root, address: PciAddress): boolean {
  const isHidden = (pid: string) => listDirectory(`${root}/proc/${pid}/fd`) === null
  return openedBy(root, address) !== null || processes(root).some(isHidden)
}

function processes(root: Root): string[] {
  return (listDirectory(`${root}/proc`) ?? []).filter((name) => /^\d+$/.test(name))
}

function nodesOf(root: Root, address: PciAddress): string[] {
  const group = readLinkName(`${devicePath(root, address)}/iommu_group`)
  const own = cdevNames(root, address)
  return [
    ...(group === null ? [] : [`/dev/vfio/${group}`, `/dev/vfio/noiommu-${group}`]),
    ...own.map((name) => `/dev/vfio/devices/${name}`),
  ]
}

/** A main thread that has ended has no descriptors any more; the others of its process have them still. */
function isOpenIn(process: string, nodes: readonly string[]): boolean {
  if (hasOpen(`${process}/fd`, nodes)) return true
  if (!/ \(.*\) Z /s.test(readAttribute(`${process}/stat`) ?? '')) return false
  return (listDirectory(`${process}/task`) ?? []).some((tid) => hasOpen(`${process}/task/${tid}/fd`, nodes))
}

function hasOpen(directory: string, nodes: readonly string[]): boolean {
  return (listDirectory(directory) ?? []).some((name) =>
    nodes.includes(readLink(`${directory}/${name}`) ?? ''),
  )
}
