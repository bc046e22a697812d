import { formatBytes, parseBytes } from '../units/bytes.js'
import { formatCpuSet, intersectCpuSets } from '../units/cpu-set.js'
import type { Check } from './check.js'
import { byWrite } from './fixes.js'
import { HUGE_PAGES_ID, howToAddPages, howToHaveSize } from './judge/huge-pages.js'
import { few, numberOf, RELEASE, textsOf, whyNot } from './look.js'
import { sysctl, value } from './make.js'
import { met, missed, noted, notHere, unknown } from './verdicts.js'

const THP = '/sys/kernel/mm/transparent_hugepage/enabled'

const transparent = value({
  id: 'memory.transparent-hugepages',
  group: 'memory',
  severity: 'warn',
  look: 'for transparent huge pages being off',
  path: THP,
  isGood: (text) => text.includes('[never]'),
  wanted: 'never',
  why: 'The kernel joins and splits pages while a program uses them, and the program waits. Huge pages of a profile are others.',
  fixedBy: 'boot',
  fix: byWrite(THP, 'never'),
  source: "tuned's profile network-latency",
  whenMissing: 'this kernel has none',
  tuned: [
    ['vm', 'transparent_hugepages'],
    ['vm', 'transparent_hugepage'],
  ],
})

const KSM = '/sys/kernel/mm/ksm/run'

const samePages = value({
  id: 'memory.ksm',
  group: 'memory',
  severity: 'warn',
  look: 'for merging of same pages being off',
  path: KSM,
  isGood: (text) => text === '0' || text === '2',
  wanted: '0 or 2',
  why: 'A guest that writes to a merged page waits for a copy of it.',
  fixedBy: 'boot',
  fix: `${byWrite(KSM, 0)} (pages that are merged stay so; writing 2 takes them apart at once, for which there must be memory)`,
  source: "tuned's profile realtime-virtual-host; Linux Documentation/admin-guide/mm/ksm.rst",
  whenMissing: 'this kernel has no such merging',
})

const numaBalancing = sysctl({
  id: 'memory.numa-balancing',
  group: 'memory',
  severity: 'warn',
  name: 'kernel.numa_balancing',
  look: 'for balancing of memory between nodes being off',
  value: 0,
  why: 'It takes pages away for a moment to see who uses them, and each use is a fault.',
  source: "tuned's profile network-latency",
  whenMissing: 'this kernel has no such balancing',
})

const swappiness = sysctl({
  id: 'memory.swappiness',
  group: 'memory',
  severity: 'note',
  name: 'vm.swappiness',
  look: 'for little swapping',
  value: 10,
  isGood: (found) => found <= 10,
  wanted: 'vm.swappiness = 10 or less',
  why: 'A page of QEMU that is swapped out is read back while the guest waits. A profile with lock-memory is not concerned.',
  source: "tuned's profile latency-performance",
  whenMissing: 'this kernel does not swap',
})

const POOLS = '/sys/kernel/mm/hugepages/*/nr_hugepages'
const POOLS_OF_NODES = '/sys/devices/system/node/*/hugepages/*/nr_hugepages'

/** How pages of these sizes are made. */
function makePages(sizes: readonly bigint[]): string {
  return sizes.map(howToAddPages).join('; ')
}

const hugePages: Check = {
  id: HUGE_PAGES_ID,
  group: 'memory',
  severity: 'fail',
  look: 'for the huge pages that profiles ask for',
  reads: [POOLS, POOLS_OF_NODES, RELEASE],
  wanted: () => 'pages of each size that a profile has, on each node with real-time CPUs',
  judge: ({ facts, sets, profiles, hugePages: pools, nodes }) => {
    const asked = profiles.flatMap(({ name, hugepages }) => {
      const size = hugepages === null ? null : parseBytes(hugepages)
      return size === null ? [] : [{ name, size }]
    })
    if (asked.length === 0) return notHere('no profile asks for any')
    if (textsOf(facts, POOLS).length === 0 && pools.length === 0) return unknown(whyNot(facts, POOLS))
    const sizes = [...new Set(asked.map(({ size }) => size))]
    const problems = sizes.flatMap((size) => {
      const text = formatBytes(size)
      const pool = pools.find((one) => one.size === size)
      const kib = size >> 10n
      const total = numberOf(facts, POOLS.replace('*', `hugepages-${kib}kB`)) ?? pool?.free ?? 0
      if (pool === undefined) return [`this kernel has no pages of ${text}`]
      if (total === 0 && pool.surplus === 0) return [`there is no page of ${text}`]
      const bare = Object.entries(nodes).filter(
        ([node, cpus]) =>
          intersectCpuSets(cpus, sets.realtime).length > 0 &&
          (numberOf(
            facts,
            `/sys/devices/system/node/node${node}/hugepages/hugepages-${kib}kB/nr_hugepages`,
          ) ??
            pool.freeByNode[Number(node)] ??
            1) === 0,
      )
      return pool.surplus > 0
        ? []
        : bare.map(
            ([node, cpus]) =>
              `node ${node}, with real-time CPUs ${formatCpuSet(intersectCpuSets(cpus, sets.realtime))}, has no page of ${text}`,
          )
    })
    const add = sizes.map((size) =>
      pools.some((one) => one.size === size) ? howToAddPages(size) : howToHaveSize(size),
    )
    if (problems.length > 0) return missed(hugePages, few(problems), add.join('; '))
    const free = pools
      .filter(({ size }) => sizes.includes(size))
      .map(({ size, free }) => `${free} of ${formatBytes(size)} free`)
    const none = pools.some(({ size, free, surplus }) => sizes.includes(size) && free + surplus <= 0)
    return none ? noted(`${free.join(', ')}: the next VM gets none`) : met(free.join(', '))
  },
  why: 'A VM whose profile asks for huge pages does not start without them. How many it takes is its memory by their size.',
  fixedBy: 'command-line',
  fix: () => makePages([1n << 30n, 1n << 21n]),
  source: 'Linux Documentation/admin-guide/mm/hugetlbpage.rst',
}

export const MEMORY_CHECKS: readonly Check[] = [transparent, samePages, numaBalancing, swappiness, hugePages]
