import { closeSync, fstatSync, openSync } from 'node:fs'
import { type PciAddress, parsePciAddress } from '../../units/pci-address.js'
import { devicePath } from '../pci.js'
import { readProc } from '../proc.js'
import { listDirectory, readAttribute, readLink, readLinkName, splitDeviceNumber } from '../sysfs.js'
import type { Root } from '../sysroot.js'

/**
 * Finds a process that has a device's VFIO node open: the kernel does not take the device from vfio-pci before that has
 * closed it, and whoever writes to `unbind` waits (Linux drivers/vfio/vfio_main.c, vfio_unregister_group_dev). The node is
 * that of the whole group, or the device's own.
 * @returns its name and number; null when there is none, or none that this user may see
 */
export function openedBy(root: Root, address: PciAddress): string | null {
  const isSought = nodeOf(root, address)
  const pid = processes(root).find((one) => isOpenIn(root, `/proc/${one}`, isSought))
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

/** Says of a node's place in sysfs whether it is a device's: that of its group, or its own. */
function nodeOf(root: Root, address: PciAddress): (node: string) => boolean {
  const group = readLinkName(`${devicePath(root, address)}/iommu_group`)
  return (node) => (group !== null && groupOf(node) === group) || addressOf(node) === address
}

/** The number of the IOMMU group whose node it is. */
function groupOf(node: string): string | null {
  return /\/vfio\/(?:noiommu-)?(\d+)$/.exec(node)?.[1] ?? null
}

/** The address of the device whose own node it is. */
function addressOf(node: string): string | null {
  return /\/([^/]+)\/vfio-dev\/[^/]+$/.exec(node)?.[1] ?? null
}

/** A main thread that has ended has no descriptors any more; the others of its process have them still. */
function isOpenIn(root: Root, process: string, isSought: (node: string) => boolean): boolean {
  if (hasOpen(root, process, isSought)) return true
  if (!/ \(.*\) Z /s.test(readAttribute(`${root}${process}/stat`) ?? '')) return false
  return (listDirectory(`${root}${process}/task`) ?? []).some((tid) =>
    hasOpen(root, `${process}/task/${tid}`, isSought),
  )
}

/** By the numbers of nodes: their names are those of the process's own mount namespace, in which it can name any file so. */
function hasOpen(root: Root, thread: string, isSought: (node: string) => boolean): boolean {
  return (listDirectory(`${root}${thread}/fd`) ?? []).some((name) => {
    const node = vfioNodeOf(root, thread, name)
    return node !== null && isSought(node)
  })
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
  const process = `/proc/${pid}`
  const descriptors = (listDirectory(`${root}${process}/fd`) ?? []).slice(0, MOST_DESCRIPTORS)
  const nodes = new Set(descriptors.flatMap((name) => vfioNodeOf(root, process, name) ?? []))
  const addresses = (names: readonly string[]) => [
    ...new Set(names.flatMap((name) => parsePciAddress(name) ?? [])),
  ]
  const groups = [...nodes].flatMap((node) => groupOf(node) ?? [])
  return {
    groups: addresses(
      groups.flatMap((group) => listDirectory(`${root}/sys/kernel/iommu_groups/${group}/devices`) ?? []),
    ),
    own: addresses([...nodes].flatMap((node) => addressOf(node) ?? [])),
  }
}

/** Whether another process has a device's own node open. */
export function isOpenElsewhere(root: Root, address: PciAddress, pid: number): boolean {
  const isSought = (node: string) => addressOf(node) === address
  return processes(root).some((one) => one !== String(pid) && isOpenIn(root, `/proc/${one}`, isSought))
}

/** File systems that the kernel answers for by itself. Nodes are in them: in /dev, and in the one that libvirt makes for a domain. */
const OF_NODES = /^(devtmpfs|tmpfs)$/

/**
 * Where the link of a VFIO node that a descriptor is open on leads in sysfs.
 *
 * A process can have anything under the name of a node, and what is asked of a file of FUSE's or NFS's is answered by somebody
 * else, when that one likes. So the file is taken hold of with O_PATH, which asks for nothing (open(2)), and what it is, is
 * asked only of a file system of nodes.
 * @param thread `/proc/PID` or `/proc/PID/task/TID`
 */
function vfioNodeOf(root: Root, thread: string, descriptor: string): string | null {
  const path = `${root}${thread}/fd/${descriptor}`
  if (!/\/vfio\//.test(readLink(path) ?? '')) return null
  const flags = flagsOf(`${root}${thread}/fdinfo/${descriptor}`)
  if (flags === null || (flags & O_PATH) !== 0) return null
  let file = -1
  try {
    file = openSync(path, O_PATH)
    if (!OF_NODES.test(fileSystemOf(file, `${root}${thread}`) ?? '')) return null
    const stat = fstatSync(file)
    if (!stat.isCharacterDevice()) return null
    const { major, minor } = splitDeviceNumber(stat.rdev)
    return readLink(`${root}/sys/dev/char/${major}:${minor}`)
  } catch {
    return null
  } finally {
    if (file >= 0) closeSync(file)
  }
}

function flagsOf(fdinfo: string): number | null {
  const flags = /^flags:\s*([0-7]+)$/m.exec(readProc(fdinfo) ?? '')?.[1]
  return flags === undefined ? null : Number.parseInt(flags, 8)
}

/**
 * The type of the file system that a descriptor of this process's is of. Mounts have numbers that no other mount of the host
 * has, in whatever namespace they are (proc(5), fdinfo and mountinfo).
 * @param thread whose mount namespace it may be in
 * @returns null for a mount of a third one
 */
function fileSystemOf(file: number, thread: string): string | null {
  const mount = /^mnt_id:\s*(\d+)$/m.exec(readProc(`/proc/self/fdinfo/${file}`) ?? '')?.[1] ?? ''
  const line = [`${thread}/mountinfo`, '/proc/self/mountinfo']
    .flatMap((path) => (readProc(path) ?? '').split('\n'))
    .find((one) => one.startsWith(`${mount} `))
  return / - (\S+) /.exec(line ?? '')?.[1] ?? null
}
