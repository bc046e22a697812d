import type { HugePages } from '../../host/facts.js'
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
 * then those with huge pages for it. In a guest with several nodes memory goes first: a NIC is near one of them only.
 */
export function preferredNodes(
  nodes: readonly GuestNode[],
  nics: readonly PlannedNic[],
  pools: readonly HugePages[] | null,
): readonly (readonly number[])[] {
  const nearNics = nics.flatMap(({ numaNode }) => numaNode ?? [])
  const left = new Map((pools ?? []).map(({ size, freeByNode }) => [size, { ...freeByNode }]))
  return nodes.map(({ boundTo, hugePages }) => {
    const withPages = hugePages.flatMap(({ size, pages }) => takePages(left.get(size) ?? {}, pages))
    const wishes = nodes.length > 1 ? [boundTo, nearNics, withPages] : [nearNics, boundTo, withPages]
    return [...new Set(wishes.flat())]
  })
}

/** Nodes in the order in which they can give pages: those with enough, then by how many. Takes them from the first. */
function takePages(free: Record<number, number>, pages: number): number[] {
  const nodes = Object.keys(free)
    .map(Number)
    .filter((node) => (free[node] ?? 0) > 0)
    .sort((a, b) => Math.min(free[b] ?? 0, pages) - Math.min(free[a] ?? 0, pages) || a - b)
  const [first] = nodes
  if (first !== undefined) free[first] = Math.max(0, (free[first] ?? 0) - pages)
  return nodes
}
