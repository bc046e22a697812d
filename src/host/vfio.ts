import { accessSync, constants, existsSync, fstatSync } from 'node:fs'
import { remapsInterrupts } from '../units/interrupt-chip.js'
import { type PciAddress, parsePciAddress } from '../units/pci-address.js'
import { isVfioDriver } from '../units/pci-driver.js'
import type { VfioNode } from './facts.js'
import { devicePath, type PciFunction } from './pci.js'
import {
  errorCode,
  listDirectory,
  readAttribute,
  readLink,
  readLinkName,
  splitDeviceNumber,
} from './sysfs.js'
import type { Root } from './sysroot.js'

/**
 * Reads which /dev/vfio nodes there are. A group without an IOMMU behind it is called `noiommu-N`
 * (Linux drivers/vfio/group.c, vfio_group_alloc).
 * @returns a function that gives the node of an IOMMU group
 */
export function readVfioNodes(root: Root): (group: number) => VfioNode {
  const names = new Set(listDirectory(`${root}/dev/vfio`) ?? [])
  const nodes = new Map<number, VfioNode>()
  return (group) => {
    const name = names.has(`noiommu-${group}`) ? `noiommu-${group}` : `${group}`
    const path = `/dev/vfio/${name}`
    const node = nodes.get(group) ?? { path, access: names.has(name) ? access(root + path) : 'missing' }
    nodes.set(group, node)
    return node
  }
}

/**
 * Reads which devices have a node of their own, `/dev/vfio/devices/vfio3`: those whose driver offers VFIO, whatever it is
 * called (Linux 6.1 drivers/vfio/vfio_main.c, vfio_init_device; the node itself since 6.6, device_cdev.c).
 */
export function readCdevs(root: Root, functions: readonly PciFunction[]): ReadonlyMap<PciAddress, VfioNode> {
  const cdevs = new Map<PciAddress, VfioNode>()
  for (const { address, name } of vfioDevices(root, functions)) {
    const path = `/dev/vfio/devices/${name}`
    cdevs.set(address, { path, access: access(root + path) })
  }
  return cdevs
}

interface OwnName {
  readonly address: PciAddress
  /** `vfio3` */
  readonly name: string
}

function vfioDevices(root: Root, functions: readonly PciFunction[]): OwnName[] {
  const classDirectory = `${root}/sys/class/vfio-dev`
  const names = listDirectory(classDirectory)
  if (names === null) return functions.flatMap(({ address, driver }) => ownName(root, address, driver))
  return names.flatMap((name) => {
    const address = holderOf(readLink(`${classDirectory}/${name}`))
    return address === null ? [] : [{ address, name }]
  })
}

/** For a captured host without /sys/class; a kernel before 6.1 has no such directory either. */
function ownName(root: Root, address: PciAddress, driver: string | null): OwnName[] {
  if (!isVfioDriver(driver)) return []
  const [name] = cdevNames(root, address)
  return name === undefined ? [] : [{ address, name }]
}

/** Names of the nodes that a device's driver offers for the device itself: `vfio3`. */
function cdevNames(root: Root, address: PciAddress): string[] {
  return listDirectory(`${devicePath(root, address)}/vfio-dev`) ?? []
}

/** Whether a device has a node of its own: only then has its VFIO device a number (Linux drivers/vfio/device_cdev.c). */
export function hasOwnNode(root: Root, address: PciAddress): boolean {
  return cdevNames(root, address).some((name) =>
    existsSync(`${devicePath(root, address)}/vfio-dev/${name}/dev`),
  )
}

/** Whether a device is left to user space by the driver that it has now, see `isOnVfio`. */
export function isOnVfioNow(root: Root, address: PciAddress): boolean {
  const driver = readLinkName(`${devicePath(root, address)}/driver`)
  return isVfioDriver(driver) || (driver !== null && cdevNames(root, address).length > 0)
}

/** The PCI device in the path of its VFIO device; that of a mediated device is a level further down and is none. */
function holderOf(target: string | null): PciAddress | null {
  const address = /\/([^/]+)\/vfio-dev\/[^/]+$/.exec(target ?? '')?.[1]
  return address === undefined ? null : parsePciAddress(address)
}

/**
 * The first region of memory that an IOMMU group must see at the host's own addresses, as the firmware says (Intel: RMRR,
 * AMD: IVMD). The kernel takes that of a graphics or USB device for relaxable, and lets it go to a VM (Linux
 * Documentation/ABI/testing/sysfs-kernel-iommu_groups).
 * @returns `0xbdf6f000-0xbdf7efff`; null when there is none, or the kernel does not say
 */
export function readDirectRegion(root: Root, group: number): string | null {
  const text = readAttribute(`${root}/sys/kernel/iommu_groups/${group}/reserved_regions`) ?? ''
  const [, start, end] = /^0x0*([\da-f]+) 0x0*([\da-f]+) direct$/m.exec(text) ?? []
  return start === undefined ? null : `0x${start}-0x${end}`
}

/** Looks at what all groups are opened with, which the kernel lets everybody open (Linux drivers/vfio/container.c, vfio_dev). */
export function readVfioContainer(root: Root): VfioNode {
  const path = '/dev/vfio/vfio'
  return { path, access: access(root + path) }
}

/** Looks at /dev/iommu. */
export function readIommuNode(root: Root): VfioNode {
  const path = '/dev/iommu'
  return { path, access: access(root + path) }
}

/**
 * Finds out which devices open descriptors of this process are, as libvirt passes them (`fd=`). By the number of the node
 * that is open and not by its name, which is one of the mount namespace that opened it.
 * @param descriptors as the command line has them
 * @returns by descriptor its PCI device, or null for a VFIO device that is none; those that are no VFIO device's are left out
 */
export function readPassed(descriptors: readonly string[]): Readonly<Record<string, PciAddress | null>> {
  return Object.fromEntries(
    descriptors.flatMap((text) => {
      const target = /^\d{1,9}$/.test(text) ? targetOf(Number(text)) : null
      return target === null || !target.includes('/vfio-dev/') ? [] : [[text, holderOf(target)]]
    }),
  )
}

/** Where the link of an open character device leads in sysfs; null when there is none. */
function targetOf(descriptor: number): string | null {
  try {
    const stat = fstatSync(descriptor)
    if (!stat.isCharacterDevice()) return null
    const { major, minor } = splitDeviceNumber(stat.rdev)
    return readLink(`/sys/dev/char/${major}:${minor}`)
  } catch {
    return null
  }
}

/** Asks without opening: an open group cannot be opened by another QEMU. */
function access(path: string): VfioNode['access'] {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return 'ok'
  } catch (error) {
    return errorCode(error) === 'ENOENT' ? 'missing' : 'denied'
  }
}

/** Modules that QEMU has a device by: for IOMMU groups, and for iommufd. */
const MODULES = ['vfio_iommu_type1', 'iommufd'] as const

export type InterruptGuard = (typeof MODULES)[number]

/**
 * Reads which modules give no device to a VM, since a device could raise any interrupt of this host: EPERM, unless their
 * parameter allows it (Linux drivers/vfio/vfio_iommu_type1.c, vfio_iommu_type1_attach_group; drivers/iommu/iommufd/device.c,
 * iommufd_device_bind).
 * @returns none where interrupts are remapped, or nothing tells. A module that is not loaded yet may get its parameter then
 */
export function readInterruptGuards(root: Root): readonly InterruptGuard[] {
  const guards = MODULES.filter((module) => readAttribute(allowing(root, module)) === 'N')
  return guards.length > 0 && remapsInterrupts(chips(root)) === false ? guards : []
}

function allowing(root: Root, module: InterruptGuard): string {
  return `${root}/sys/module/${module}/parameters/allow_unsafe_interrupts`
}

function* chips(root: Root): Iterable<string> {
  const directory = `${root}/sys/kernel/irq`
  for (const number of listDirectory(directory) ?? [])
    yield readAttribute(`${directory}/${number}/chip_name`) ?? ''
}
