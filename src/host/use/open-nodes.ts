import { closeSync, constants, fstatSync, openSync, readdirSync, readlinkSync } from 'node:fs'
import { type PciAddress, parsePciAddress } from '../../units/pci-address.js'
import { devicePath } from '../pci.js'
import { readProc } from '../proc.js'
import {
  errorCode,
  listDirectory,
  readAttribute,
  readLink,
  readLinkName,
  splitDeviceNumber,
} from '../sysfs.js'
import type { Root } from '../sysroot.js'

/** How long all processes are searched: how many descriptors they have is for any user to say. */
export const SEARCH_SECONDS = 3

/** When to stop searching for what a process has open, in milliseconds since 1970. */
export function searchEnd(): number {
  return Date.now() + SEARCH_SECONDS * 1000
}

/** Says whether a process has a node open; null when the time was up before all of its descriptors had been looked at. */
type Look = (pid: string) => boolean | null

/** What a search has found: the number of a process, or null; and whether it came to its end. */
interface Found {
  readonly pid: string | null
  readonly isComplete: boolean
}

function search(pids: readonly string[], look: Look): Found {
  let isComplete = true
  for (const pid of pids) {
    const isOpen = look(pid)
    if (isOpen) return { pid, isComplete }
    if (isOpen === null) isComplete = false
  }
  return { pid: null, isComplete }
}

/** A process that has a device open, or may have. */
interface Holder {
  /** Its name and number; null when there is none, or none that this user may see. */
  readonly name: string | null
  /** Whether all descriptors were looked at. */
  readonly isComplete: boolean
}

/**
 * Finds a process that has a device's VFIO node open: the kernel does not take the device from vfio-pci before that has
 * closed it, and whoever writes to `unbind` waits (Linux drivers/vfio/vfio_main.c, vfio_unregister_group_dev). The node is
 * that of the whole group, or the device's own.
 * @param until see `searchEnd`
 */
export function openedBy(root: Root, address: PciAddress, until: number): Holder {
  const isSought = nodeOf(root, address)
  const { pid, isComplete } = search(processes(root), (one) =>
    isOpenIn(root, `/proc/${one}`, isSought, until),
  )
  if (pid === null) return { name: null, isComplete }
  return { name: nameOf(root, pid), isComplete }
}

function nameOf(root: Root, pid: string): string {
  return `process ${pid} (${readAttribute(`${root}/proc/${pid}/comm`) ?? 'unknown'})`
}

/** Which nodes processes have open. */
export interface OpenNodes {
  /** By a node's place in sysfs, one process that has it open: its name and number. */
  readonly holders: ReadonlyMap<string, string>
  /** Whether all descriptors of all processes were looked at; not where no process is to be seen. */
  readonly isComplete: boolean
}

/**
 * Finds the nodes that any process has open.
 * @param isSought says it of a node's place in sysfs
 * @param until see `searchEnd`
 */
export function openNodes(root: Root, isSought: (node: string) => boolean, until: number): OpenNodes {
  const holders = new Map<string, string>()
  const pids = processes(root)
  let isComplete = pids.length > 0
  for (const pid of pids) {
    // It goes on after one is found: a process may have several.
    const note = (node: string) => {
      if (isSought(node) && !holders.has(node)) holders.set(node, nameOf(root, pid))
      return false
    }
    const isOpen = isOpenIn(root, `/proc/${pid}`, note, until)
    if (isOpen === null || isReserved(root, pid, until)) isComplete = false
  }
  return { holders, isComplete }
}

/**
 * Whether a process that is there keeps its descriptors from this one. Other users may not list them; root may, but under a
 * profile of AppArmor's not read where they lead (Linux fs/proc/fd.c, proc_fd_permission; fs/proc/base.c, proc_pid_readlink).
 * @returns true as well when the time is up
 */
function isReserved(root: Root, pid: string, until: number): boolean {
  const directory = `${root}/proc/${pid}/fd`
  try {
    for (const name of readdirSync(directory)) {
      if (Date.now() >= until) return true
      const isReadable = mayRead(`${directory}/${name}`)
      // It is the same for all that the process has.
      if (isReadable !== null) return !isReadable
    }
    return false
  } catch (error) {
    return !hasEnded(error)
  }
}

/** @returns null for a descriptor that is closed by now */
function mayRead(link: string): boolean | null {
  try {
    readlinkSync(link)
    return true
  } catch (error) {
    return hasEnded(error) ? null : false
  }
}

function hasEnded(error: unknown): boolean {
  return ['ENOENT', 'ESRCH'].includes(errorCode(error) ?? '')
}

/** How long the group may be open after its QEMU has ended: KVM has it, too, and its last work may come later (virt/kvm/vfio.c). */
const KVM_MS = 500

/** Opens a file; a test puts a stand-in for the kernel here. */
export type OpenNode = (path: string, flags: number) => number

/**
 * Whether a device's group is in use by VFIO, as the kernel says when its node is opened once more: EBUSY. A process can hold a
 * device without a node, by a descriptor of the device that a QEMU has passed to it; the kernel does not say of which device
 * that is, but it keeps the group open for it (Linux drivers/vfio/group.c, vfio_group_fops_open and vfio_group_fops_release).
 * For a device that is to be given back: a QEMU that opened the node in the same moment would be refused.
 * @param until when to stop waiting for the kernel, see `searchEnd`; it is asked once in any case
 * @returns null where it cannot be asked: without a node, or without root's rights
 */
export function isGroupBusy(
  root: Root,
  address: PciAddress,
  until: number,
  open: OpenNode = openSync,
): boolean | null {
  const group = readLinkName(`${devicePath(root, address)}/iommu_group`)
  const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW } = constants
  const isBusy = (node: string) => {
    try {
      closeSync(open(`${root}/dev/vfio/${node}`, O_RDONLY | O_NONBLOCK | O_NOFOLLOW))
      return false
    } catch (error) {
      return errorCode(error) === 'EBUSY' || null
    }
  }
  const end = Math.min(Date.now() + KVM_MS, until)
  for (;;) {
    const answer = group === null ? null : (isBusy(group) ?? isBusy(`noiommu-${group}`))
    if (answer !== true) return answer
    if (Date.now() >= end) return true
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)
  }
}

/**
 * Makes a function that says whether a process may have a device's VFIO node open: one has, there are processes whose
 * descriptors this user may not see, or there are too many to look at them. All that it is asked takes no longer than one search.
 */
export function makeMayBeOpen(root: Root): (address: PciAddress) => boolean {
  const isHidden = (pid: string) => {
    try {
      readdirSync(`${root}/proc/${pid}/fd`)
      return false
    } catch (error) {
      return !hasEnded(error)
    }
  }
  let until: number | undefined
  return (address) => {
    until ??= searchEnd()
    const { name, isComplete } = openedBy(root, address, until)
    return name !== null || !isComplete || processes(root).some(isHidden)
  }
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

/**
 * Whether a process has a node open. A main thread that has ended has no descriptors any more; the others of its process have
 * them still.
 * @returns null when it was not found by then
 */
function isOpenIn(
  root: Root,
  process: string,
  isSought: (node: string) => boolean,
  until: number,
): boolean | null {
  const own = hasOpen(root, process, isSought, until)
  if (own !== false) return own
  if (!/ \(.*\) Z /s.test(readAttribute(`${root}${process}/stat`) ?? '')) return false
  const tids = listDirectory(`${root}${process}/task`) ?? []
  const { pid, isComplete } = search(tids, (tid) => hasOpen(root, `${process}/task/${tid}`, isSought, until))
  return pid !== null || (isComplete ? false : null)
}

/** @returns null when it was not found by then */
function hasOpen(
  root: Root,
  thread: string,
  isSought: (node: string) => boolean,
  until: number,
): boolean | null {
  if (Date.now() >= until) return null
  const nodeOfDescriptor = makeNodeReader(root, thread)
  for (const name of listDirectory(`${root}${thread}/fd`) ?? []) {
    if (Date.now() >= until) return null
    const node = nodeOfDescriptor(name)
    if (node !== null && isSought(node)) return true
  }
  return false
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
  const nodeOfDescriptor = makeNodeReader(root, process)
  const nodes = new Set(descriptors.flatMap((name) => nodeOfDescriptor(name) ?? []))
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

/** Whether another process has a device's own node open, or may have. */
export function isOpenElsewhere(root: Root, address: PciAddress, pid: number, until = searchEnd()): boolean {
  const isSought = (node: string) => addressOf(node) === address
  const others = processes(root).filter((one) => one !== String(pid))
  const found = search(others, (one) => isOpenIn(root, `/proc/${one}`, isSought, until))
  return found.pid !== null || !found.isComplete
}

/** File systems that the kernel answers for by itself. Nodes are in them: in /dev, and in the one that libvirt makes for a domain. */
const OF_NODES = /^(devtmpfs|tmpfs)$/

/**
 * Makes a function that says where the link of a node that a descriptor is open on leads in sysfs. What the node is, its number
 * says: names are those of the process's own mount namespace, in which a node can have any, and any file that of a node.
 *
 * What is asked of a file of FUSE's or NFS's is answered by somebody else, when that one likes. So nothing is asked of one
 * before the kernel has said of its mount that it is of a file system of nodes. The process can have another file under the
 * same number by then: the file is taken hold of with O_PATH, which asks for nothing (open(2)), and its mount is looked at again.
 * @param thread `/proc/PID` or `/proc/PID/task/TID`
 */
function makeNodeReader(root: Root, thread: string): (descriptor: string) => string | null {
  let known: ReadonlySet<string> | null = null
  const isOfNodes = (fdinfo: string) => {
    known ??= mountsOfNodes(`${root}${thread}`)
    return known.has(/^mnt_id:\s*(\d+)$/m.exec(fdinfo)?.[1] ?? '')
  }
  return (descriptor) => {
    const path = `${root}${thread}/fd/${descriptor}`
    // Sockets, pipes and the like have no path.
    if (readLink(path)?.startsWith('/') !== true) return null
    const fdinfo = readProc(`${root}${thread}/fdinfo/${descriptor}`) ?? ''
    const flags = flagsIn(fdinfo)
    if (flags === null || (flags & O_PATH) !== 0 || !isOfNodes(fdinfo)) return null
    let file = -1
    try {
      file = openSync(path, O_PATH)
      if (!isOfNodes(readProc(`/proc/self/fdinfo/${file}`) ?? '')) return null
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
}

function flagsIn(fdinfo: string): number | null {
  const flags = /^flags:\s*([0-7]+)$/m.exec(fdinfo)?.[1]
  return flags === undefined ? null : Number.parseInt(flags, 8)
}

/**
 * The mounts of file systems of nodes that a thread may have files of: those of its mount namespace, and of ours. A mount has a
 * number that no other mount of the host has, in whatever namespace it is (proc(5), fdinfo and mountinfo).
 */
function mountsOfNodes(thread: string): ReadonlySet<string> {
  const lines = [`${thread}/mountinfo`, '/proc/self/mountinfo'].flatMap((path) =>
    (readProc(path) ?? '').split('\n'),
  )
  return new Set(
    lines.flatMap((line) =>
      OF_NODES.test(/ - (\S+) /.exec(line)?.[1] ?? '') ? (line.split(' ', 1)[0] ?? []) : [],
    ),
  )
}
