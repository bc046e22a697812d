import type { HostCpus } from '../../host/facts.js'
import { type CpuSet, intersectCpuSets, subtractCpuSets } from '../../units/cpu-set.js'

/** What `cpus = "auto"` chooses from. */
export interface Supply {
  /** CPUs that may be handed out and that this VM does not use yet. */
  readonly candidates: CpuSet
  /** CPUs that other VMs hold. */
  readonly held: CpuSet
  readonly topology: Pick<HostCpus, 'siblings' | 'nodes' | 'coreKinds' | 'caches'>
  /** NUMA nodes in the order of preference: the NICs' first. */
  readonly preferredNodes: readonly number[]
  /** Whether a core gives one CPU only, and only when all of it is free. */
  readonly isolatesCores?: boolean
  /** CPUs that go before equal ones, for threads beside which the kernel is to put no others. */
  readonly isolated?: CpuSet
}

/** The CPUs of one core that may be handed out. */
interface Core {
  readonly cpus: CpuSet
  /** Whether all CPUs of the core are among the candidates: none is left to the host or a switch. */
  readonly whole: boolean
  readonly node: number
  /** Place of its kind among the host's kinds of cores, the fastest first. */
  readonly kind: number
  /** Place of its last-level cache among the host's; -1 without. */
  readonly cache: number
  readonly isIsolated: boolean
}

/**
 * Hands out CPUs for one VM, core by core. Whole cores go first, then one NUMA node before several, then the node by
 * preference, then one with enough isolated CPUs, then the faster kind of cores; kinds are never mixed. Within a node isolated
 * CPUs go first, and then cores that share a last-level cache. A core with a CPU that another VM holds is passed over: its SMT
 * siblings share execution units and the first-level cache.
 * @returns null when there are too few
 */
export function handOutCpus(count: number, supply: Supply): CpuSet | null {
  const cores = freeCores(supply).sort(bestFirst)
  const lacksIsolated = (place: readonly Core[]) => Number(isolatedOf(place, supply).length < count)
  const places = groupBy(cores, ({ node, kind }) => `${node} ${kind}`).sort(
    (a, b) =>
      rank(a[0], supply) - rank(b[0], supply) ||
      lacksIsolated(a) - lacksIsolated(b) ||
      nodeAt(a[0]) - nodeAt(b[0]) ||
      kindAt(a[0]) - kindAt(b[0]),
  )
  const kinds = groupBy(places.flat(), ({ kind }) => `${kind}`).sort(([a], [b]) => kindAt(a) - kindAt(b))
  const withCaches = (place: readonly Core[]) => {
    const near = groupBy(place, ({ cache }) => `${cache}`)
    return [...near.filter((group) => lacksIsolated(group) <= lacksIsolated(place)), place]
  }
  const ways = [
    places.flatMap((place) => withCaches(wholeOnly(place))),
    places.flatMap(withCaches),
    kinds.map(wholeOnly),
    kinds.map((kind) => [...kind].sort(halvesLast)),
  ]
  for (const from of ways.flat()) {
    const isolated = isolatedOf(from, supply)
    const cpus = isolated.length >= count ? isolated : from.flatMap((core) => core.cpus)
    if (cpus.length >= count) return cpus.slice(0, count)
  }
  return null
}

function isolatedOf(cores: readonly Core[], { isolated = [] }: Supply): CpuSet {
  return cores.flatMap(({ cpus }) => cpus.filter((cpu) => isolated.includes(cpu)))
}

/** How many CPUs `handOutCpus` could give at most, if it mixed kinds of cores. */
export function freeCpus(supply: Supply): CpuSet {
  return freeCores(supply).flatMap(({ cpus }) => cpus)
}

function freeCores(supply: Supply): Core[] {
  const { candidates, held, topology, isolatesCores = false, isolated = [] } = supply
  const cores = new Map<number, Core>()
  for (const cpu of candidates) {
    const core = topology.siblings[cpu] ?? [cpu]
    const first = core[0] ?? cpu
    if (cores.has(first) || intersectCpuSets(core, held).length > 0) continue
    const cpus = intersectCpuSets(core, candidates)
    const whole = cpus.length === core.length
    if (isolatesCores && !whole) continue
    const kind = Math.max(0, topology.coreKinds?.findIndex((kind) => kind.includes(cpu)) ?? 0)
    const cache = topology.caches?.findIndex((cache) => cache.includes(cpu)) ?? -1
    const given = isolatesCores ? cpus.slice(0, 1) : cpus
    const isIsolated = subtractCpuSets(given, isolated).length === 0
    cores.set(first, { cpus: given, whole, node: nodeOf(cpu, topology.nodes), kind, cache, isIsolated })
  }
  return [...cores.values()]
}

function groupBy(cores: readonly Core[], key: (core: Core) => string): Core[][] {
  const groups = new Map<string, Core[]>()
  for (const core of cores) groups.set(key(core), [...(groups.get(key(core)) ?? []), core])
  return [...groups.values()]
}

function wholeOnly(cores: readonly Core[]): Core[] {
  return cores.filter(({ whole }) => whole)
}

function halvesLast(a: Core, b: Core): number {
  return Number(b.whole) - Number(a.whole)
}

function bestFirst(a: Core, b: Core): number {
  const isolation = Number(b.isIsolated) - Number(a.isIsolated)
  return halvesLast(a, b) || isolation || (a.cpus[0] ?? 0) - (b.cpus[0] ?? 0)
}

function rank(core: Core | undefined, { preferredNodes }: Supply): number {
  const at = preferredNodes.indexOf(nodeAt(core))
  return at < 0 ? preferredNodes.length : at
}

function nodeAt(core: Core | undefined): number {
  return core?.node ?? 0
}

function kindAt(core: Core | undefined): number {
  return core?.kind ?? 0
}

/** The NUMA node of a CPU; 0 on a host without nodes. */
export function nodeOf(cpu: number, nodes: HostCpus['nodes']): number {
  return Number(Object.entries(nodes).find(([, cpus]) => cpus.includes(cpu))?.[0] ?? 0)
}
