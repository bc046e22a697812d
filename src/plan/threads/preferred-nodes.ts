import type { HugePages } from '../../host/facts.js'
import type { PlannedNic } from '../pass.js'
import type { GuestNode } from './guest-nodes.js'

/**
 * Nodes of the host for each node of the guest, the best first: those of the NICs, then those that memory is bound to,
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
