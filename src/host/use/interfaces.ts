import type { PciAddress } from '../../units/pci-address.js'
import { devicePath } from '../pci.js'
import { listDirectory, readAttribute, readLink, readLinkName, readNumber } from '../sysfs.js'
import type { Root } from '../sysroot.js'
import type { Use } from './use.js'

/** An interface of a PCI device, as sysfs shows it to this process. */
export interface OwnInterface {
  readonly name: string
  readonly path: string
  readonly index: number | null
  /** Whether it belongs to the device itself, and not to a device further down. */
  readonly isOwn: boolean
}

/** Every interface at or below a PCI device: sysfs lists those of one network namespace. */
export function interfacesOf(root: Root, address: PciAddress): OwnInterface[] {
  const listed = (listDirectory(`${root}/sys/class/net`) ?? []).flatMap((name) => {
    const path = `${root}/sys/class/net/${name}`
    const [, below] = (readLink(path) ?? '').split(`/${address}/`)
    return below === undefined ? [] : [{ name, path, isOwn: /^(virtio\d+\/)?net\/[^/]+$/.test(below) }]
  })
  // A captured host may have no /sys/class.
  const inDevice = (listDirectory(`${devicePath(root, address)}/net`) ?? [])
    .filter((name) => !listed.some((one) => one.name === name))
    .map((name) => ({ name, path: `${devicePath(root, address)}/net/${name}`, isOwn: true }))
  return [...listed, ...inDevice].map((one) => ({ ...one, index: readNumber(`${one.path}/ifindex`) }))
}

/** Devices above an interface in this network namespace (Linux net/core/dev.c, netdev_adjacent_sysfs_add). */
export function uppers({ name, path }: OwnInterface): Use[] {
  const master = readLinkName(`${path}/master`)
  const above = (listDirectory(path) ?? [])
    .filter((entry) => entry.startsWith('upper_'))
    .map((entry) => entry.slice('upper_'.length))
  const names = new Set([...(master === null ? [] : [master]), ...above.sort()])
  return [...names].map((upper) => ({ kind: 'upper', interface: name, upper, isMaster: upper === master }))
}

/**
 * A port representor's name for its port (Linux net/core/devlink.c, __devlink_port_phys_port_name_get): `pf0`, `pf0vf1`,
 * `c1pf0sf3`. That of the card's own port is `p0`.
 */
const REPRESENTED = /^(c\d+)?pf\d+((vf|sf)\d+|hpf)?$/

/**
 * The port of the card's switch that an interface stands for, `pf0vf1`; null when it is no port representor. The device of
 * a representor is the physical function's.
 * @param path the interface's directory
 */
export function representedPort(path: string): string | null {
  const port = readAttribute(`${path}/phys_port_name`)
  return port !== null && REPRESENTED.test(port) ? port : null
}

/** A port representor as a use of its device. */
export function representor({ name, path }: OwnInterface): Use[] {
  const port = representedPort(path)
  return port === null ? [] : [{ kind: 'representor', interface: name, port }]
}
