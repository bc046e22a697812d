import type { CommandLine } from '../../argv/command-line.js'
import { findOptions, propertiesAt } from '../../argv/command-line.js'
import type { HostCpus } from '../../host/facts.js'
import type { CpuSet } from '../../units/cpu-set.js'
import { backendUses, hostNodes, memoryBackends } from '../memory/guest-ram.js'
import type { PlannedNic } from '../pass.js'
import { nodeOf } from './auto.js'
import type { ThreadPlan } from './thread-plan.js'

/** What of a VM is on which NUMA node of the host. */
interface Placement {
  readonly line: CommandLine
  readonly threads: ThreadPlan
  readonly nics: readonly PlannedNic[]
  readonly nodes: HostCpus['nodes']
}

/** Warns when vCPUs, NICs and memory of a VM are on different nodes: each access between them crosses the host. */
export function numaWarnings(placement: Placement): string[] {
  const { line, threads, nics, nodes } = placement
  const vcpus = nodesOf(
    threads.vcpus.flatMap(({ cpus }) => cpus ?? []),
    nodes,
  )
  if (Object.keys(nodes).length < 2 || vcpus.length === 0) return []
  const here = `vCPUs are on ${describeNodes(vcpus)}`
  const remoteNics = nics.filter(({ numaNode }) => numaNode !== null && !vcpus.includes(numaNode))
  return [
    ...(vcpus.length > 1 && guestNodes(line) < 2
      ? [`${here}, but the guest sees one node: it cannot tell near memory from far`]
      : []),
    ...remoteNics.map(
      ({ name, numaNode }) =>
        `${here}, NIC '${name}' is on ${describeNodes([numaNode ?? 0])}: its interrupts and DMA cross nodes`,
    ),
    ...memoryWarnings(placement, vcpus, here),
  ]
}

function memoryWarnings({ line, threads, nodes }: Placement, vcpus: readonly number[], here: string) {
  const bound = boundNodes(line)
  if (bound.length > 0) {
    if (bound.some((node) => vcpus.includes(node))) return []
    return [`${here}, guest RAM is bound to ${describeNodes(bound)}: every access crosses nodes`]
  }
  // Linux takes memory from the node of the thread that touches it first, which is QEMU's main thread when it
  // preallocates (Documentation/admin-guide/mm/numa_memory_policy.rst, "Local allocation").
  const emulator = nodesOf(threads.emulator?.cpus ?? [], nodes)
  if (emulator.length === 0 || emulator.some((node) => vcpus.includes(node))) return []
  return [
    `${here}, emulator threads on ${describeNodes(emulator)}, where guest RAM that they preallocate will be: ` +
      `bind the memory backend (host-nodes, libvirt's <numatune>)`,
  ]
}

function boundNodes(line: CommandLine): number[] {
  const ram = backendUses(line).filter(({ guestRam }) => guestRam)
  const backends = memoryBackends(line).filter(({ id }) => ram.some((use) => use.id === id))
  return [...new Set(backends.flatMap((backend) => hostNodes(backend)))].sort((a, b) => a - b)
}

function guestNodes(line: CommandLine): number {
  return findOptions(line, 'numa').filter(({ index }) => propertiesAt(line, index).get('type') === 'node')
    .length
}

function nodesOf(cpus: CpuSet, nodes: HostCpus['nodes']): number[] {
  return [...new Set(cpus.map((cpu) => nodeOf(cpu, nodes)))].sort((a, b) => a - b)
}

function describeNodes(nodes: readonly number[]): string {
  return `NUMA node${nodes.length === 1 ? '' : 's'} ${nodes.join(' and ')}`
}
