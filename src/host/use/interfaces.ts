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

/**
 * vDPA devices of a PCI device, with which a VM or a container has queues of the card beside the interface. They are below
 * it or its subfunctions and have any name (Linux drivers/vdpa/vdpa.c, __vdpa_alloc_device; vdpa/mlx5/net/mlx5_vnet.c). They
 * are made on demand: one that is there is for a use.
 */
export function vdpaOf(root: Root, address: PciAddress): Use[] {
  const bus = `${root}/sys/bus/vdpa/devices`
  const listed = (listDirectory(bus) ?? []).filter((name) => isBelow(readLink(`${bus}/${name}`), address))
  // A captured host may have no such bus.
  const inDevice = (listDirectory(devicePath(root, address)) ?? []).filter((name) => /^vdpa\d+$/.test(name))
  return [...new Set([...listed, ...inDevice])].sort().map((name) => ({ kind: 'vdpa', name }))
}

/** A node by which programs have RDMA verbs of a PCI device, `/dev/infiniband/uverbs0`. */
export interface VerbsNode {
  /** `uverbs0` */
  readonly name: string
  /** The RDMA device's name, `mlx5_0`. */
  readonly device: string | null
}

/**
 * The nodes of a PCI device and its subfunctions (Linux drivers/infiniband/core/uverbs_main.c, ib_uverbs_add_one). One that
 * is there is no use: each NIC with RDMA has one as soon as its module is loaded.
 */
export function verbsNodes(root: Root, address: PciAddress): VerbsNode[] {
  const all = `${root}/sys/class/infiniband_verbs`
  const own = `${devicePath(root, address)}/infiniband_verbs`
  const listed = (listDirectory(all) ?? []).filter((name) => isBelow(readLink(`${all}/${name}`), address))
  // A captured host may have no /sys/class.
  const inDevice = listDirectory(own) ?? []
  return [...new Set([...listed, ...inDevice])].sort().map((name) => ({
    name,
    device: readAttribute(`${all}/${name}/ibdev`) ?? readAttribute(`${own}/${name}/ibdev`),
  }))
}

/** Whether a place in sysfs is below a PCI device. */
export function isBelow(place: string | null, address: PciAddress): boolean {
  return place?.includes(`/${address}/`) === true
}
