import { howToAddPages, howToHaveSize } from '../../checks/judge/huge-pages.js'
import { hugePageSizeMissing, tooFewHugePages } from '../../errors/memory.js'
import type { HugePages } from '../../host/facts.js'
import { type Bytes, formatBytes } from '../../units/bytes.js'

/** Huge pages that one memory backend takes. */
export interface HugePageNeed {
  readonly pages: number
  /** NUMA nodes that they must come from, ascending; none when any will do. */
  readonly nodes: readonly number[]
}

/**
 * Checks that the host has the huge pages that a guest needs, in all and on the nodes that backends are bound to. Pages
 * that the kernel may make count as free: it makes them while memory is reserved, on any node (Linux mm/hugetlb.c,
 * gather_surplus_pages).
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
    const sizes = host.map(({ size }) => formatBytes(size))
    throw hugePageSizeMissing({ profile, size: written, sizes, todo: howToHaveSize(facts.size) })
  }
  const { surplus } = pool
  const check = (needed: number, free: number, nodes: readonly number[]) => {
    if (needed > free + surplus)
      throw tooFewHugePages({
        profile,
        size: written,
        needed,
        free,
        surplus,
        nodes,
        todo: howToAddPages(facts.size),
      })
  }
  check(total(needs), pool.free, [])
  for (const nodes of new Map(needs.map((need) => [need.nodes.join(), need.nodes])).values()) {
    if (nodes.length === 0) continue
    const bound = needs.filter(
      (need) => need.nodes.length > 0 && need.nodes.every((node) => nodes.includes(node)),
    )
    const free = nodes.reduce((sum, node) => sum + (pool.freeByNode[node] ?? 0), 0)
    check(total(bound), free, nodes)
  }
}

function total(needs: readonly HugePageNeed[]): number {
  return needs.reduce((sum, { pages }) => sum + pages, 0)
}
