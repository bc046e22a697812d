import { hugePageSizeMissing, tooFewHugePages } from '../../errors/memory.js'
import type { HugePages } from '../../host/facts.js'
import { type Bytes, formatBytes } from '../../units/bytes.js'

/** Huge pages that one memory backend takes. */
export interface HugePageNeed {
  readonly pages: number
  /** NUMA nodes that they must come from; none when any will do. */
  readonly nodes: readonly number[]
}

/**
 * Checks that the host has the huge pages that a guest needs, in all and on the nodes that backends are bound to.
 * @param facts.host null when the host's pages are not known
 * @throws {UserError} exit 69 when a size is not there, or pages are short
 */
export function checkHugePages(facts: {
  readonly profile: string
  readonly size: Bytes
  readonly written: string
  readonly needs: readonly HugePageNeed[]
  readonly host: readonly HugePages[] | null
}): void {
  const { profile, host, needs, written } = facts
  if (host === null || needs.length === 0) return
  const pool = host.find(({ size }) => size === facts.size)
  if (pool === undefined) {
    throw hugePageSizeMissing({ profile, size: written, sizes: host.map(({ size }) => formatBytes(size)) })
  }
  const short = (needed: number, free: number, node: number | null) => {
    if (needed > free) throw tooFewHugePages({ profile, size: written, needed, free, node })
  }
  short(total(needs), pool.free, null)
  for (const node of new Set(needs.flatMap(({ nodes }) => (nodes.length === 1 ? nodes : [])))) {
    const bound = needs.filter(({ nodes }) => nodes.length === 1 && nodes[0] === node)
    short(total(bound), pool.freeByNode[node] ?? 0, node)
  }
}

function total(needs: readonly HugePageNeed[]): number {
  return needs.reduce((sum, { pages }) => sum + pages, 0)
}
