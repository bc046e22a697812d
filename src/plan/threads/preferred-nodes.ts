import type { HostCpus, HostFacts } from '../../host/facts.js'
import type { PciAddress } from '../../units/pci-address.js'
import type { VfioDevice } from '../nics/requests.js'
import type { PlannedNic } from '../pass.js'
import type { GuestNode } from './guest-nodes.js'

/**
 * Devices that vCPUs are to be near, those that go before others first: named NICs, then all that the VM gets by VFIO
 * besides, which are called by their address.
 * @param nodeOf a device's NUMA node; null when the host names none
 */
export function nearbyDevices(
  nics: readonly PlannedNic[],
  devices: readonly Pick<VfioDevice, 'id' | 'address'>[],
  nodeOf: (address: PciAddress) => number | null,
): PlannedNic[] {
  const named = new Set(nics.map(({ address }) => address))
  const others = new Map(
    devices.flatMap(({ id, address }): [PciAddress, string | null][] =>
      address === null || named.has(address) ? [] : [[address, id]],
    ),
  )
  const given = [...others].map(([address, device]): PlannedNic => {
    return { name: address, device, address, iommuGroup: null, numaNode: nodeOf(address), ready: true }
  })
  return [...nics, ...given]
}

/**
 * Nodes of the host for each node of the guest, the best first: those of devices, then those that memory is bound to,
 * then those with huge pages for it, those that the cpuset takes memory from, and the nearest others. In a guest with several
 * nodes memory goes first: a NIC is near one of them only.
 * @returns no node where all are alike
 */
export function preferredNodes(
  nodes: readonly GuestNode[],
  nics: readonly PlannedNic[],
  { cpus, hugePages, memoryNodes = null }: Pick<HostFacts, 'cpus' | 'hugePages' | 'memoryNodes'>,
): readonly (readonly number[])[] {
  const nearNics = nics.flatMap(({ numaNode }) => numaNode ?? [])
  const allowed = narrowedMemory(cpus?.nodes ?? {}, memoryNodes) ?? []
  const left = new Map((hugePages ?? []).map(({ size, freeByNode }) => [size, { ...freeByNode }]))
  return nodes.map(({ boundTo, hugePages }) => {
    const nearest = nearestFirst([...nearNics, ...allowed], cpus)
    const withPages = hugePages.flatMap(({ size, pages }) =>
      takePages(left.get(size) ?? {}, pages, nearest, memoryNodes),
    )
    const wishes = nodes.length > 1 ? [boundTo, nearNics, withPages] : [nearNics, boundTo, withPages]
    return nearestFirst([...wishes.flat(), ...allowed], cpus)
  })
}

/** The nodes that memory comes from where a cpuset leaves out some of the host's; null where it does not. */
export function narrowedMemory(
  nodes: HostCpus['nodes'],
  memoryNodes: readonly number[] | null,
): readonly number[] | null {
  const isNarrow =
    memoryNodes !== null && Object.keys(nodes).some((node) => !memoryNodes.includes(Number(node)))
  return isNarrow ? memoryNodes : null
}

/** Some nodes, and behind them all others of the host, by how far they are from the first. */
export function nearestFirst(
  nodes: readonly number[],
  cpus: Pick<HostCpus, 'nodes' | 'distances'> | null,
): number[] {
  const [first] = nodes
  const from = first === undefined ? undefined : cpus?.distances?.[first]
  if (from === undefined) return [...new Set(nodes)]
  const all = Object.keys(cpus?.nodes ?? {}).map(Number)
  const others = all.map((node, index) => ({ node, distance: from[index] ?? 0 }))
  others.sort((a, b) => a.distance - b.distance || a.node - b.node)
  return [...new Set([...nodes, ...others.map(({ node }) => node)])]
}

/**
 * Nodes in the order in which they can give pages: those with enough, then by how many, then the nearest. Takes them from the
 * first.
 */
function takePages(
  free: Record<number, number>,
  pages: number,
  nearest: readonly number[],
  allowed: readonly number[] | null,
): number[] {
  const place = (node: number) => {
    const at = nearest.indexOf(node)
    return at < 0 ? nearest.length : at
  }
  const nodes = Object.keys(free)
    .map(Number)
    .filter((node) => (free[node] ?? 0) > 0 && allowed?.includes(node) !== false)
    .sort(
      (a, b) => Math.min(free[b] ?? 0, pages) - Math.min(free[a] ?? 0, pages) || place(a) - place(b) || a - b,
    )
  const [first] = nodes
  if (first !== undefined) free[first] = Math.max(0, (free[first] ?? 0) - pages)
  return nodes
}
