import { statSync } from 'node:fs'
import { type PciAddress, parsePciAddress } from '../../units/pci-address.js'
import { devicePath } from '../pci.js'
import { readProc } from '../proc.js'
import { listDirectory, readAttribute, readLink, readLinkName, splitDeviceNumber } from '../sysfs.js'
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

/** Descriptors that only name a file carry no right to it (open(2), O_PATH; proc(5), fdinfo: flags are octal). */
const O_PATH = 0o10000000

/** As many descriptors of a process are looked at: how many it has is its own to say. */
const MOST_DESCRIPTORS = 16_384

/** PCI devices whose VFIO nodes a process has open. */
export interface OpenedDevices {
  /** Those of groups. A group is open once at a time (Linux drivers/vfio/group.c, vfio_group_fops_open): they are this process's, or nobody's. */
  readonly groups: readonly PciAddress[]
  /** Those whose own node is open, as any process may have it that may open it (drivers/vfio/device_cdev.c, vfio_device_fops_cdev_open). */
  readonly own: readonly PciAddress[]
}

/**
 * Which PCI devices a process has open by VFIO, by the numbers of the nodes and not by their names, which are those of the
 * process's own mount namespace.
 * @param root whose sysfs says which devices these are
 * @returns none for a process that has ended, or is not this user's to look at
 */
export function devicesOpenedBy(root: Root, pid: number): OpenedDevices {
  const process = `${root}/proc/${pid}`
  const descriptors = (listDirectory(`${process}/fd`) ?? []).slice(0, MOST_DESCRIPTORS)
  const nodes = new Set(descriptors.flatMap((name) => vfioNodeOf(root, process, name) ?? []))
  const addresses = (names: readonly string[]) => [
    ...new Set(names.flatMap((name) => parsePciAddress(name) ?? [])),
  ]
  const groups = [...nodes].flatMap((node) => /\/vfio\/(?:noiommu-)?(\d+)$/.exec(node)?.[1] ?? [])
  return {
    groups: addresses(
      groups.flatMap((group) => listDirectory(`${root}/sys/kernel/iommu_groups/${group}/devices`) ?? []),
    ),
    own: addresses([...nodes].flatMap((node) => /\/([^/]+)\/vfio-dev\/[^/]+$/.exec(node)?.[1] ?? [])),
  }
}

/** Whether another process has a device's own node open. */
export function isOpenElsewhere(root: Root, address: PciAddress, pid: number): boolean {
  const nodes = cdevNames(root, address).map((name) => `/dev/vfio/devices/${name}`)
  return processes(root).some((one) => one !== String(pid) && isOpenIn(`${root}/proc/${one}`, nodes))
}

/** Where the link of a VFIO node that a descriptor is open on leads in sysfs. */
function vfioNodeOf(root: Root, process: string, descriptor: string): string | null {
  const path = `${process}/fd/${descriptor}`
  // Looked at no closer: a file of another file system may keep whoever asks waiting.
  if (!/\/vfio\//.test(readLink(path) ?? '')) return null
  const flags = /^flags:\s*([0-7]+)$/m.exec(readProc(`${process}/fdinfo/${descriptor}`) ?? '')?.[1]
  if (flags === undefined || (Number.parseInt(flags, 8) & O_PATH) !== 0) return null
  try {
    const stat = statSync(path)
    if (!stat.isCharacterDevice()) return null
    const { major, minor } = splitDeviceNumber(stat.rdev)
    return readLink(`${root}/sys/dev/char/${major}:${minor}`)
  } catch {
    return null
  }
}
