import { howToAddPages, howToHaveSize } from '../../checks/judge/huge-pages.js'
import {
  boundBeyondCpuset,
  hugePageSizeMissing,
  hugePagesLimited,
  tooFewHugePages,
} from '../../errors/memory.js'
import type { HugePages } from '../../host/facts.js'
import { type Bytes, formatBytes } from '../../units/bytes.js'

/** Huge pages that one memory backend takes. */
export interface HugePageNeed {
  /** `memory backend 'ram0'` */
  readonly memory: string
  readonly pages: number
  /** NUMA nodes that they must come from, ascending; none when any will do. */
  readonly nodes: readonly number[]
}

/** Nodes that needs can be met from: what the cpuset forbids is taken off. */
interface Allowed {
  readonly needs: readonly HugePageNeed[]
  /** The only nodes for needs of any node; null where the cpuset forbids none that has such pages. */
  readonly nodes: readonly number[] | null
}

/**
 * The kernel gives pages of allowed nodes alone (Linux mm/hugetlb.c, hugetlb_acct_memory and allowed_mems_nr), and binds a memory to
 * those of its nodes that are allowed, or to none (mm/mempolicy.c, mpol_set_nodemask).
 * @throws {UserError} exit 69 for a memory that is bound to no allowed node
 */
function withinCpuset(
  needs: readonly HugePageNeed[],
  { freeByNode }: HugePages,
  allowed: readonly number[] | null,
): Allowed {
  const isForbidden = (node: number) => allowed !== null && !allowed.includes(node)
  if (allowed === null || allowed.length === 0 || !Object.keys(freeByNode).map(Number).some(isForbidden))
    return { needs, nodes: null }
  const within = needs.map((need) => {
    const nodes = need.nodes.filter((node) => !isForbidden(node))
    if (need.nodes.length > 0 && nodes.length === 0)
      throw boundBeyondCpuset({ memory: need.memory, nodes: need.nodes, allowed })
    return { ...need, nodes }
  })
  return { needs: within, nodes: allowed.filter((node) => freeByNode[node] !== undefined) }
}

/**
 * Checks that the host has the huge pages that a guest needs, in all and on the nodes that backends are bound to. Pages
 * that the kernel may make count as free: it makes them while memory is reserved, on any node (Linux mm/hugetlb.c,
 * gather_surplus_pages).
 * @param facts.host null when the host's pages are not known
 * @throws {UserError} exit 69 when a size is not there, pages are short, or a memory is bound beyond the cpuset
 */
export function checkHugePages(facts: {
  readonly profile: string
  readonly size: Bytes
  readonly written: string
  readonly needs: readonly HugePageNeed[]
  readonly host: readonly HugePages[] | null
  /** NUMA nodes that the cpuset allows; null when nobody says. */
  readonly allowed: readonly number[] | null
}): void {
  const { profile, host, written } = facts
  if (host === null || facts.needs.length === 0) return
  const pool = host.find(({ size }) => size === facts.size)
  if (pool === undefined) {
    const sizes = host.map(({ size }) => formatBytes(size))
    throw hugePageSizeMissing({ profile, size: written, sizes, todo: howToHaveSize(facts.size) })
  }
  const { surplus, groupLimit } = pool
  const all = total(facts.needs)
  if (groupLimit !== undefined && all > groupLimit.left)
    throw hugePagesLimited({ profile, size: written, needed: all, ...groupLimit })
  const { needs, nodes: onlyNodes } = withinCpuset(facts.needs, pool, facts.allowed)
  const freeOf = (nodes: readonly number[]) =>
    nodes.reduce((sum, node) => sum + (pool.freeByNode[node] ?? 0), 0)
  const check = (needed: number, free: number, nodes: readonly number[], byCpuset = false) => {
    if (needed > free + surplus)
      throw tooFewHugePages({
        profile,
        size: written,
        needed,
        free,
        surplus,
        nodes,
        byCpuset,
        todo: howToAddPages(facts.size),
      })
  }
  check(total(needs), pool.free, [])
  if (onlyNodes !== null) check(total(needs), freeOf(onlyNodes), onlyNodes, true)
  for (const nodes of new Map(needs.map((need) => [need.nodes.join(), need.nodes])).values()) {
    if (nodes.length === 0) continue
    const bound = needs.filter(
      (need) => need.nodes.length > 0 && need.nodes.every((node) => nodes.includes(node)),
    )
    check(total(bound), freeOf(nodes), nodes)
  }
}

function total(needs: readonly HugePageNeed[]): number {
  return needs.reduce((sum, { pages }) => sum + pages, 0)
}
