import type { HostCpus } from '../../host/facts.js'
import { type CpuSet, intersectCpuSets } from '../../units/cpu-set.js'

/** What `cpus = "auto"` chooses from. */
export interface Supply {
  /** CPUs that may be handed out and that this VM does not use yet. */
  readonly candidates: CpuSet
  /** CPUs that other VMs hold. */
  readonly held: CpuSet
  readonly topology: Pick<HostCpus, 'siblings' | 'nodes'>
  /** NUMA nodes in the order of preference: the NICs' first. */
  readonly preferredNodes: readonly number[]
}

/** The CPUs of one core that may be handed out. */
interface Core {
  readonly cpus: CpuSet
  /** Whether all CPUs of the core are among the candidates: none is left to the host or a switch. */
  readonly whole: boolean
  readonly node: number
}

/**
 * Hands out CPUs for one VM: all from one NUMA node if any has enough, the preferred ones first, core by core. A core
 * with a CPU that another VM holds is passed over: its SMT siblings share execution units and the first-level cache.
 * @returns null when there are too few
 */
export function handOutCpus(count: number, supply: Supply): CpuSet | null {
  const cores = freeCores(supply).sort(wholeFirst)
  const nodes = [...new Set(cores.map(({ node }) => node))]
    .sort((a, b) => rank(a, supply) - rank(b, supply) || a - b)
    .map((node) => ({ node, cpus: cores.filter((core) => core.node === node).flatMap(({ cpus }) => cpus) }))
  const whole = nodes.find(({ cpus }) => cpus.length >= count)
  const cpus = whole?.cpus ?? nodes.flatMap((one) => one.cpus)
  return cpus.length < count ? null : cpus.slice(0, count)
}

/** How many CPUs `handOutCpus` could give at most. */
export function freeCpus(supply: Supply): CpuSet {
  return freeCores(supply).flatMap(({ cpus }) => cpus)
}

function freeCores({ candidates, held, topology }: Supply): Core[] {
  const cores = new Map<number, Core>()
  for (const cpu of candidates) {
    const core = topology.siblings[cpu] ?? [cpu]
    const first = core[0] ?? cpu
    if (cores.has(first) || intersectCpuSets(core, held).length > 0) continue
    const cpus = intersectCpuSets(core, candidates)
    cores.set(first, { cpus, whole: cpus.length === core.length, node: nodeOf(cpu, topology.nodes) })
  }
  return [...cores.values()]
}

function wholeFirst(a: Core, b: Core): number {
  return Number(b.whole) - Number(a.whole) || (a.cpus[0] ?? 0) - (b.cpus[0] ?? 0)
}

function rank(node: number, { preferredNodes }: Supply): number {
  const at = preferredNodes.indexOf(node)
  return at < 0 ? preferredNodes.length : at
}

/** The NUMA node of a CPU; 0 on a host without nodes. */
export function nodeOf(cpu: number, nodes: HostCpus['nodes']): number {
  return Number(Object.entries(nodes).find(([, cpus]) => cpus.includes(cpu))?.[0] ?? 0)
}
