import { type MacAddress, parseMac } from '../units/mac.js'
import { type PciAddress, parsePciAddress } from '../units/pci-address.js'
import type { NetInterface } from './facts.js'
import { devicePath, type PciFunction } from './pci.js'
import { listDirectory, readAttribute, readLink, readNumber } from './sysfs.js'
import type { Root } from './sysroot.js'
import { readUdevNames } from './udev.js'
import { representedPort } from './use/interfaces.js'

/** An interface and the PCI device that has it. */
interface Holding {
  readonly address: PciAddress
  readonly name: string
  readonly path: string
}

/** The interfaces of PCI devices, and the names of all others but those that domains have named. */
export interface FoundInterfaces {
  readonly byDevice: ReadonlyMap<PciAddress, readonly NetInterface[]>
  readonly others: readonly string[]
}

/**
 * Reads the interfaces of PCI devices, in the order in which the kernel made them: a physical function's own one comes
 * before its representors. Starts from the interfaces, of which a host has few, rather than from its devices.
 */
export function readInterfaces(root: Root, functions: readonly PciFunction[]): FoundInterfaces {
  const { held, others } = holdings(root, functions)
  const found = held.map((holding) => ({
    ...holding,
    index: readNumber(`${holding.path}/ifindex`) ?? 0,
  }))
  const byDevice = new Map<PciAddress, NetInterface[]>()
  for (const { address, name, path, index } of found.sort((a, b) => a.index - b.index)) {
    const port = representedPort(path)
    const names = { name, altnames: readUdevNames(root, index, name), mac: readMac(path) }
    const nic = port === null ? names : { ...names, port }
    byDevice.set(address, [...(byDevice.get(address) ?? []), nic])
  }
  return { byDevice, others }
}

/** A bond writes its own address into its members, and keeps theirs in perm_hwaddr (bond_sysfs_slave.c). */
function readMac(path: string): MacAddress | null {
  const mac = parseMac(
    readAttribute(`${path}/bonding_slave/perm_hwaddr`) ?? readAttribute(`${path}/address`) ?? '',
  )
  return mac === UNSET ? null : mac
}

/** What a virtual function shows until its physical function has given it an address. */
const UNSET = '00:00:00:00:00:00'

function holdings(root: Root, functions: readonly PciFunction[]) {
  const names = listDirectory(`${root}/sys/class/net`)
  if (names === null) return { held: functions.flatMap(({ address }) => inDevice(root, address)), others: [] }
  const held: Holding[] = []
  const others: string[] = []
  for (const name of names.sort()) {
    const path = `${root}/sys/class/net/${name}`
    const target = readLink(path)
    // Not an interface, but the bonding driver's list of bonds: the only file among the links.
    if (target === null) continue
    const address = holder(target)
    if (address === null) {
      if (!isDomainsOwn(path)) others.push(name)
    } else held.push({ address, name, path })
  }
  return { held, others }
}

/**
 * Whether an interface is a tap or a macvtap. libvirt gives it the name that a domain has for it (`<target dev=…>`): no NIC
 * loses its own to that.
 * @param path the interface's directory
 */
export function isDomainsOwn(path: string): boolean {
  return readAttribute(`${path}/tun_flags`) !== null || listDirectory(`${path}/macvtap`) !== null
}

/**
 * The PCI device in an interface's path: `…/0000:03:00.0/net/eth0`, or `…/0000:00:03.0/virtio2/net/eth0`. An interface
 * deeper down belongs to something else: a USB adapter's to a port, not to the USB controller.
 */
function holder(target: string): PciAddress | null {
  const address = /\/([\da-f]{4,}:[\da-f]{2}:[\da-f]{2}\.[0-7])(?:\/virtio\d+)?\/net\/[^/]+$/.exec(
    target,
  )?.[1]
  return address === undefined ? null : parsePciAddress(address)
}

/** For a captured host without /sys/class. */
function inDevice(root: Root, address: PciAddress): Holding[] {
  const path = `${devicePath(root, address)}/net`
  return (listDirectory(path) ?? []).map((name) => ({ address, name, path: `${path}/${name}` }))
}
