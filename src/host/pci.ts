import { closeSync, openSync, readdirSync, readSync } from 'node:fs'
import { hostNotReadable } from '../errors/host.js'
import { type PciAddress, parsePciAddress } from '../units/pci-address.js'
import type { PciDevice } from './facts.js'
import { errorCode, listDirectory, readAttribute, readLink, readLinkName, readNumber } from './sysfs.js'
import { type Root, requireSysfs } from './sysroot.js'

/** What a PCI device's own directory says of it. */
export type PciFunction = Pick<
  PciDevice,
  | 'address'
  | 'vendor'
  | 'device'
  | 'subsystemVendor'
  | 'subsystemDevice'
  | 'classCode'
  | 'driver'
  | 'iommuGroup'
  | 'numaNode'
>

type Identity = Omit<PciFunction, 'address' | 'iommuGroup' | 'numaNode'>

/** The directory of a PCI device, through the bus's link. */
export function devicePath(root: Root, address: PciAddress): string {
  return `${root}/sys/bus/pci/devices/${address}`
}

/**
 * Reads every PCI device, sorted by address. A host with /sys but without PCI has none; a device that vanishes while
 * it is read is left out.
 * @throws {UserError} exit 65 when there is no /sys beneath the root, 77 when this user may not list the devices
 */
export function readPciFunctions(root: Root): PciFunction[] {
  return listAddresses(root).flatMap((address) => readPciFunction(root, address) ?? [])
}

/** The bytes of configuration space that anybody may read (Linux drivers/pci/pci-sysfs.c, pci_read_config), and places in them. */
export const CONFIG_HEADER_SIZE = 64
const HEADER_TYPE = 0x0e
const IS_MULTIFUNCTION = 0x80

/**
 * Whether a device does not answer: it has fallen off the bus, or does not wake up. Whatever is read of it are ones then (Linux
 * Documentation/PCI/pci-error-recovery.rst). A virtual function never has a vendor's number there (Single Root I/O
 * Virtualization and Sharing, 3.4.1.1).
 * @returns false where its configuration space is not to be read
 */
export function readIsGone(root: Root, address: PciAddress): boolean {
  const path = devicePath(root, address)
  const header = readHeader(`${path}/config`)
  if (header === null) return false
  const hasHeader = ((header[HEADER_TYPE] ?? 0) | IS_MULTIFUNCTION) !== 0xff
  return !hasHeader || (header.readUInt16LE() === 0xffff && readLink(`${path}/physfn`) === null)
}

function readHeader(path: string): Buffer | null {
  try {
    const file = openSync(path, 'r')
    try {
      const bytes = Buffer.alloc(CONFIG_HEADER_SIZE)
      return readSync(file, bytes, 0, bytes.length, 0) === bytes.length ? bytes : null
    } finally {
      closeSync(file)
    }
  } catch {
    return null
  }
}

/** All devices of a device's IOMMU group; none when it is in none. */
export function groupMembers(root: Root, address: PciAddress): PciAddress[] {
  const names = listDirectory(`${devicePath(root, address)}/iommu_group/devices`) ?? []
  return names.flatMap((name) => parsePciAddress(name) ?? [])
}

function listAddresses(root: Root): PciAddress[] {
  const path = `${root}/sys/bus/pci/devices`
  try {
    return readdirSync(path)
      .flatMap((name) => parsePciAddress(name) ?? [])
      .sort(bySysfsName)
  } catch (error) {
    if (errorCode(error) === 'EACCES') throw hostNotReadable({ path })
    requireSysfs(root)
    return []
  }
}

/** sysfs pads every field, and only a domain beyond ffff makes a name longer: the order of comparePciAddresses. */
function bySysfsName(a: PciAddress, b: PciAddress): number {
  return a.length - b.length || (a < b ? -1 : 1)
}

/** Reads one PCI device as it is now; null when it is not there. */
export function readPciFunction(root: Root, address: PciAddress): PciFunction | null {
  const path = devicePath(root, address)
  const identity = readIdentity(path)
  if (identity === null) return null
  const group = readLinkName(`${path}/iommu_group`)
  const node = readNumber(`${path}/numa_node`)
  return {
    address,
    ...identity,
    iommuGroup: group !== null && /^\d+$/.test(group) ? Number(group) : null,
    numaNode: node === null || node < 0 ? null : node,
  }
}

/** `uevent` has all of it in one read (Linux drivers/pci/pci-driver.c, pci_uevent). */
function readIdentity(path: string): Identity | null {
  const uevent = readAttribute(`${path}/uevent`) ?? ''
  const [vendor, device] = ids(field(uevent, 'PCI_ID'))
  const classCode = Number.parseInt(field(uevent, 'PCI_CLASS') ?? '', 16)
  if (vendor === undefined || device === undefined || Number.isNaN(classCode)) return readIdentityFiles(path)
  const [subsystemVendor = NO_ID, subsystemDevice = NO_ID] = ids(field(uevent, 'PCI_SUBSYS_ID'))
  const driver = field(uevent, 'DRIVER') ?? readLinkName(`${path}/driver`)
  return { vendor, device, subsystemVendor, subsystemDevice, classCode, driver }
}

/** The value in a line `NAME=value`; null when there is none. */
function field(uevent: string, name: string): string | null {
  const at = `\n${uevent}`.indexOf(`\n${name}=`)
  if (at < 0) return null
  const start = at + name.length + 1
  const end = uevent.indexOf('\n', start)
  return end < 0 ? uevent.slice(start) : uevent.slice(start, end)
}

/** `8086:154C` → `8086`, `154c`; nothing for what is no pair of them. */
function ids(pair: string | null): readonly string[] {
  return pair !== null && /^[\da-f]{4,}:[\da-f]{4,}$/i.test(pair) ? pair.toLowerCase().split(':') : []
}

const NO_ID = '0000'

function readIdentityFiles(path: string): Identity | null {
  const hex = (name: string) => /^0x([\da-f]+)$/.exec(readAttribute(`${path}/${name}`) ?? '')?.[1] ?? null
  const vendor = hex('vendor')
  const device = hex('device')
  const classCode = hex('class')
  if (vendor === null || device === null || classCode === null) return null
  return {
    vendor,
    device,
    subsystemVendor: hex('subsystem_vendor') ?? NO_ID,
    subsystemDevice: hex('subsystem_device') ?? NO_ID,
    classCode: Number.parseInt(classCode, 16),
    driver: readLinkName(`${path}/driver`),
  }
}
