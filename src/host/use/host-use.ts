import { type PciAddress, parsePciAddress } from '../../units/pci-address.js'
import { isNetworkClass } from '../../units/pci-class.js'
import { STUB_DRIVER } from '../../units/pci-driver.js'
import { devicePath, readPciFunction } from '../pci.js'
import { listDirectory, readAttribute, readLink } from '../sysfs.js'
import type { Root } from '../sysroot.js'
import { isOnVfioNow } from '../vfio.js'
import { readCapturedUses } from './captured.js'
import { disksOf } from './disks.js'
import {
  interfacesOf,
  isBelow,
  type OwnInterface,
  representor,
  uppers,
  vdpaOf,
  verbsNodes,
} from './interfaces.js'
import { ownNamespace } from './look-into.js'
import { type NamespaceView, readNamespaces, uppersIn } from './namespaces.js'
import { strayAddresses, usesByFiles } from './net-files.js'
import { askIp, askRdma, contextsOf, usesByIp } from './net-ip.js'
import { type OpenNodes, openNodes, searchEnd } from './open-nodes.js'
import type { Use, UseOf } from './use.js'

/**
 * Makes a function that says what the host uses a PCI device for, as it is when it is asked. For a device that vfio-pci
 * has, or no driver, that is nothing. What cannot be looked into is among the uses. A device is looked at only as long as
 * nothing is found in the cheaper places: the list has what is enough to refuse it, not all there is.
 * @param root a captured host has it in a file, see `captured.ts`
 */
export function hostUseOf(root: Root): UseOf {
  const captured = root === '' ? null : readCapturedUses(root)
  if (captured !== null) return ({ address }) => captured(address)
  // One answer for all devices that are looked at in a turn.
  const programs = {
    ip: once(askIp),
    namespaces: once(readNamespaces),
    places: once(() => readPlaces(root)),
    verbs: once(() => searchVerbs(root)),
    rdma: once(() => ({ text: root === '' ? askRdma() : null })),
  }
  return ({ address }) => look(root, address, programs)
}

/** What is found out of this host once, when it is first asked for: by programs, and by what takes longer with each device. */
interface Programs {
  readonly ip: () => ReturnType<typeof askIp>
  readonly namespaces: () => readonly NamespaceView[]
  readonly places: () => ReturnType<typeof readPlaces>
  readonly verbs: () => OpenNodes
  readonly rdma: () => { readonly text: string | null }
}

/** Looks when it is first asked, and once: plan and hook ask more than once of the same host. */
export function once<T>(look: () => T): () => T {
  let seen: { readonly found: T } | null = null
  return () => {
    seen ??= { found: look() }
    return seen.found
  }
}

function look(root: Root, text: string, programs: Programs): readonly Use[] {
  const address = parsePciAddress(text)
  const device = address === null ? null : readPciFunction(root, address)
  if (device === null) return [{ kind: 'hidden', what: `${text} is not there` }]
  const { driver, classCode } = device
  if (driver === null || isOnVfioNow(root, device.address) || driver === STUB_DRIVER) return []
  const interfaces = interfacesOf(root, device.address)
  const own = interfaces.filter(({ isOwn }) => isOwn)
  const isNetwork = isNetworkClass(classCode) || own.length > 0
  const seen = [
    ...(isNetwork ? [] : [{ kind: 'not-network', classCode } as const]),
    ...disksOf(root, device.address),
    ...functionsBelow(programs.places(), device.address),
    ...virtualFunctions(root, device.address, own),
    ...vdpaOf(root, device.address),
    ...interfaces.flatMap(representor),
    ...beneath(interfaces),
    ...interfaces.flatMap(uppers),
    ...interfaces.flatMap((nic) => usesByFiles(root, nic)),
  ]
  if (seen.length > 0) return seen
  if (own.length === 0) return [{ kind: 'unseen', driver }]
  const told = root === '' ? live(interfaces, programs) : interfaces.flatMap((nic) => stray(root, nic))
  return told.length > 0 ? told : verbsOf(root, device.address, programs.verbs, () => programs.rdma().text)
}

/** Each PCI function's place in the kernel's tree, by its address. */
function readPlaces(root: Root): ReadonlyMap<string, string> {
  const addresses = (listDirectory(`${root}/sys/bus/pci/devices`) ?? []).sort()
  return new Map(addresses.map((one) => [one, readLink(devicePath(root, one as PciAddress)) ?? '']))
}

/** Virtual functions are beside their physical one, not below it. */
function functionsBelow(places: ReturnType<typeof readPlaces>, address: PciAddress): Use[] {
  return [...places].flatMap(([other, place]) =>
    place.includes(`/${address}/`) ? [{ kind: 'bus', address: other }] : [],
  )
}

function virtualFunctions(root: Root, address: PciAddress, own: readonly OwnInterface[]): Use[] {
  const [count, total] = ['sriov_numvfs', 'sriov_totalvfs'].map((name) =>
    readAttribute(`${devicePath(root, address)}/${name}`),
  )
  if (count === '0' || (count === null && total === null)) return []
  if (!/^\d+$/.test(count ?? '')) return [{ kind: 'hidden', what: `the number of its virtual functions` }]
  return [{ kind: 'vfs', count: Number(count), interface: own[0]?.name ?? null }]
}

function beneath(interfaces: readonly OwnInterface[]): Use[] {
  return interfaces.filter(({ isOwn }) => !isOwn).map(({ name }) => ({ kind: 'beneath', interface: name }))
}

function live(interfaces: readonly OwnInterface[], { ip, namespaces }: Programs): Use[] {
  const told = interfaces.flatMap(({ name }) => usesByIp(ip(), name))
  if (told.length > 0 || process.geteuid?.() !== 0) return told
  const own = ownNamespace()
  return namespaces().flatMap((one) => uppersIn(one, interfaces, own))
}

function stray(root: Root, { name }: OwnInterface): Use[] {
  const addresses = strayAddresses(root, name)
  if (addresses === null) return [{ kind: 'hidden', what: `${name}: ${root}/proc/net cannot be read` }]
  const [first] = addresses
  return first === undefined ? [] : [{ kind: 'hidden', what: `${first} may be an address of ${name}` }]
}

/** Looks for every node of RDMA verbs that a process has open. */
function searchVerbs(root: Root): OpenNodes {
  return openNodes(root, (node) => /\/infiniband_verbs\/[^/]+$/.test(node), searchEnd())
}

/**
 * Finds a process that has a device's RDMA verbs open (Linux Documentation/infiniband/user_verbs.rst): with DPDK's mlx5 driver
 * a switch has the card's queues, and the interface stays with the kernel's. The kernel's own count says more: a node that is
 * mapped, or on its way to another process, has no descriptor. It decides, too, where not all processes are seen.
 * @param search see `searchVerbs`; not asked for a device without RDMA
 * @param ask see `askRdma`
 */
export function verbsOf(
  root: Root,
  address: PciAddress,
  search: () => OpenNodes,
  ask: () => string | null,
): Use[] {
  const nodes = verbsNodes(root, address)
  if (nodes.length === 0) return []
  const { holders, isComplete } = search()
  const [open] = [...holders].filter(([place]) => isBelow(place, address))
  if (open !== undefined) {
    const [place, holder] = open
    return [{ kind: 'verbs', node: place.slice(place.lastIndexOf('/') + 1), holder }]
  }
  const text = ask()
  return nodes.flatMap(({ name, device }): Use[] => {
    const count = contextsOf(text, device)
    if (count !== null && count > 0) return [{ kind: 'verbs', node: name, holder: 'a process' }]
    if (isComplete || count === 0) return []
    return [{ kind: 'hidden', what: `a process may have /dev/infiniband/${name} open` }]
  })
}
