import type { CommandLine } from '../../argv/command-line.js'
import type { HostCpus, HugePages } from '../../host/facts.js'
import { formatBytes } from '../../units/bytes.js'
import { type CpuSet, formatCpuSet } from '../../units/cpu-set.js'
import type { PlannedNic } from '../pass.js'
import { nodeOf } from './auto.js'
import { type GuestNode, guestNodes } from './guest-nodes.js'
import { narrowedMemory } from './preferred-nodes.js'
import { countVcpus } from './smp.js'
import type { ThreadPlan } from './thread-plan.js'

/** What of a VM is on which NUMA node of the host. */
interface Placement {
  readonly line: CommandLine
  readonly threads: ThreadPlan
  /** And other devices, see `nearbyDevices`. */
  readonly nics: readonly PlannedNic[]
  readonly nodes: HostCpus['nodes']
  /** Null when they are not known. */
  readonly hugePages: readonly HugePages[] | null
  /** Nodes that QEMU may take memory from; null or absent when nobody says. */
  readonly memoryNodes?: readonly number[] | null | undefined
}

/** Warns when vCPUs, NICs and memory of a VM are on different nodes: each access between them crosses the host. */
export function numaWarnings(placement: Placement): string[] {
  const { line, threads, nics, nodes } = placement
  const vcpus = nodesOfVcpus(
    threads,
    threads.vcpus.map(({ vcpu }) => vcpu),
    nodes,
  )
  if (Object.keys(nodes).length < 2 || vcpus.length === 0) return []
  const guest = guestNodes(line, countVcpus(line))
  const here = `vCPUs are on ${describeNodes(vcpus)}`
  const remoteNics = nics.filter(({ numaNode }) => numaNode !== null && !vcpus.includes(numaNode))
  return [
    ...(vcpus.length > 1 && guest.length < 2
      ? [`${here}, but the guest sees one node: it cannot tell near memory from far`]
      : []),
    ...remoteNics.map(
      ({ name, address, numaNode }) =>
        `${here}, ${name === address ? `device ${address}` : `NIC '${name}'`} is on ${describeNodes([numaNode ?? 0])}: its interrupts and DMA cross nodes`,
    ),
    ...guest.flatMap((node) => memoryWarnings(placement, node, guest.length > 1)),
  ]
}

function memoryWarnings(placement: Placement, guest: GuestNode, isOneOfSeveral: boolean): string[] {
  const { threads, nodes } = placement
  const vcpus = nodesOfVcpus(threads, guest.vcpus, nodes)
  if (vcpus.length === 0) return []
  const who = isOneOfSeveral ? `vCPUs ${formatCpuSet(guest.vcpus)} of guest node ${guest.id}` : 'vCPUs'
  const here = `${who} are on ${describeNodes(vcpus)}`
  const ram = isOneOfSeveral ? 'their RAM' : 'guest RAM'
  if (guest.boundTo.length > 0) {
    if (guest.boundTo.some((node) => vcpus.includes(node))) return []
    return [`${here}, ${ram} is bound to ${describeNodes(guest.boundTo)}: every access crosses nodes`]
  }
  const allowed = narrowedMemory(nodes, placement.memoryNodes ?? null)
  if (allowed !== null && !allowed.some((node) => vcpus.includes(node))) {
    return [
      `${here}, and the cpuset takes ${ram} from ${describeNodes(allowed)} alone: every access crosses nodes`,
    ]
  }
  const short = guest.hugePages.flatMap(({ size, pages }) => {
    const pool = placement.hugePages?.find((one) => one.size === size)
    const free = vcpus.reduce((sum, node) => sum + (pool?.freeByNode[node] ?? 0), 0)
    return pool === undefined || free >= pages
      ? []
      : [
          `${here}, where ${free} of ${pages} huge pages of ${formatBytes(size)} for ${ram} are free: ` +
            'the others come from another node, which every access to them crosses to',
        ]
  })
  return short.length > 0 ? short : preallocationWarnings(placement, guest, vcpus, here)
}

function preallocationWarnings(
  { threads, nodes, hugePages }: Placement,
  guest: GuestNode,
  vcpus: readonly number[],
  here: string,
) {
  // Linux takes memory from the node of the thread that touches it first, which is QEMU's main thread when it
  // preallocates (Documentation/admin-guide/mm/numa_memory_policy.rst, "Local allocation").
  const emulator = nodesOf(threads.emulator?.cpus ?? [], nodes)
  if (emulator.length === 0 || emulator.some((node) => vcpus.includes(node))) return []
  // A node without a free huge page gives none, whoever touches the memory.
  const givesNone = guest.hugePages.some(({ size }) => {
    const pool = hugePages?.find((one) => one.size === size)
    return pool !== undefined && emulator.every((node) => (pool.freeByNode[node] ?? 0) === 0)
  })
  if (givesNone) return []
  return [
    `${here}, emulator threads on ${describeNodes(emulator)}, where guest RAM that they preallocate will be: ` +
      `bind the memory backend (host-nodes, libvirt's <numatune>)`,
  ]
}

function nodesOfVcpus({ vcpus }: ThreadPlan, which: readonly number[], nodes: HostCpus['nodes']): number[] {
  const wanted = new Set(which)
  return nodesOf(
    vcpus.flatMap(({ vcpu, cpus }) => (wanted.has(vcpu) ? (cpus ?? []) : [])),
    nodes,
  )
}

function nodesOf(cpus: CpuSet, nodes: HostCpus['nodes']): number[] {
  return [...new Set([...new Set(cpus)].map((cpu) => nodeOf(cpu, nodes)))].sort((a, b) => a - b)
}

function describeNodes(nodes: readonly number[]): string {
  return `NUMA node${nodes.length === 1 ? '' : 's'} ${nodes.join(' and ')}`
}
