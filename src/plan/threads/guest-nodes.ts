import { type CommandLine, findOptions, mergedValue, propertiesAt } from '../../argv/command-line.js'
import { type Properties, parseSwitch } from '../../argv/properties.js'
import { type Bytes, parseBytes } from '../../units/bytes.js'
import type { CpuSet } from '../../units/cpu-set.js'
import { type Backend, backendUses, hostNodes, memoryBackends } from '../memory/guest-ram.js'
import { levelCounts, levelsOf, PLACES, type VcpuCount } from './smp.js'

/** A NUMA node of the guest, or all of the guest where it has one. */
export interface GuestNode {
  readonly id: number
  readonly vcpus: readonly number[]
  /** Host nodes that its memory is bound to; none when it may come from anywhere. */
  readonly boundTo: readonly number[]
  /** Huge pages that its memory takes from any node. */
  readonly hugePages: readonly { readonly size: Bytes; readonly pages: number }[]
}

/**
 * The guest's NUMA nodes, as `-numa node,cpus=…,memdev=…` and `-numa cpu,node-id=…` say (QEMU 10.0 qapi/machine.json,
 * NumaOptions). Where nothing says of any vCPU which node is its own, PCs go by sockets; else vCPUs of no node are node 0's
 * (hw/core/machine.c, machine_numa_finish_cpu_init).
 */
export function guestNodes(line: CommandLine, vcpus: VcpuCount): GuestNode[] {
  const ram = new Set(backendUses(line).flatMap(({ id, guestRam }) => (guestRam ? [id] : [])))
  const backends = memoryBackends(line).filter(({ id }) => ram.has(id))
  const options = findOptions(line, 'numa').map(({ index }) => propertiesAt(line, index))
  const written = options
    .filter((numa) => numa.get('type') === 'node')
    .map((numa, index) => ({
      id: Number(numa.get('nodeid') ?? index),
      text: numa.text,
      memdev: numa.get('memdev') ?? '',
    }))
  const all = Array.from({ length: vcpus.possible }, (_, vcpu) => vcpu)
  const [only, second] = written
  if (only === undefined || second === undefined) return [makeNode(0, all, backends)]
  const places = options.filter((numa) => numa.get('type') === 'cpu').map(placeOf)
  const byNumber = nodeByNumber(written, vcpus.possible)
  const isUnmapped = places.length === 0 && byNumber.every((node) => node === undefined)
  const nodeOf = isUnmapped
    ? nodeBySocket(line, vcpus, written.length)
    : nodeByLevels(places, () => levelCounts(line, vcpus))
  const vcpusOf = groupBy(all, (vcpu) => nodeOf(vcpu) ?? byNumber[vcpu] ?? 0)
  const backendsOf = groupBy(backends, ({ id }) => id)
  return written.map(({ id, memdev }) => {
    const own = vcpusOf.get(id) ?? []
    // QEMU refuses a second node of the same number.
    vcpusOf.delete(id)
    return makeNode(id, own, backendsOf.get(memdev) ?? [])
  })
}

function groupBy<Key, Value>(values: readonly Value[], keyOf: (value: Value) => Key): Map<Key, Value[]> {
  const groups = new Map<Key, Value[]>()
  for (const value of values) {
    const key = keyOf(value)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [value])
    else group.push(value)
  }
  return groups
}

/**
 * The node of each vCPU that a node names by its number: `cpus=0-3`, which may be repeated. The first that names a vCPU counts.
 * Each vCPU is looked at once, however often it is named.
 */
function nodeByNumber(nodes: readonly { readonly id: number; readonly text: string }[], count: number) {
  const node: (number | undefined)[] = Array.from({ length: count }, () => undefined)
  // The next vCPU of no node, at or after each.
  const next = Uint32Array.from({ length: count + 1 }, (_, vcpu) => vcpu)
  const free = (from: number): number => {
    let at = from
    while (at < count && next[at] !== at) {
      const then = next[at] ?? count
      next[at] = next[then] ?? count
      at = then
    }
    return at
  }
  for (const { id, text } of nodes) {
    for (const [, first = '', last = first] of text.matchAll(/(?:^|,)cpus=(\d+)(?:-(\d+))?(?![^,])/g)) {
      const end = Math.min(Number(last), count - 1)
      for (let vcpu = free(Math.min(Number(first), count)); vcpu <= end; vcpu = free(vcpu + 1)) {
        node[vcpu] = id
        next[vcpu] = vcpu + 1
      }
    }
  }
  return node
}

/** What `-numa cpu` puts on a node: the vCPUs with these numbers. A level without one may be any. */
interface CpuPlace {
  readonly node: number | null
  readonly levels: readonly (number | null)[]
}

function placeOf(numa: Properties): CpuPlace {
  const at = (key: string) => (numa.get(key) === undefined ? null : Number(numa.get(key)))
  return { node: at('node-id'), levels: PLACES.map((level) => at(`${level}-id`)) }
}

/**
 * The node of a vCPU by its place among sockets, cores and so on; null where no `-numa cpu` names it. The first that names it counts.
 * @param countsOf how many there are of each level; asked where there are places
 */
function nodeByLevels(
  places: readonly CpuPlace[],
  countsOf: () => readonly number[],
): (vcpu: number) => number | null {
  if (places.length === 0) return () => null
  const counts = countsOf()
  // Places that name the same levels are told apart by the numbers in these.
  const kinds = new Map<string, { readonly named: readonly number[]; readonly first: Map<string, number> }>()
  for (const [index, { levels }] of places.entries()) {
    const named = levels.flatMap((level, at) => (level === null ? [] : [at]))
    const kind = kinds.get(named.join()) ?? { named, first: new Map<string, number>() }
    kinds.set(named.join(), kind)
    const key = named.map((at) => levels[at]).join()
    if (!kind.first.has(key)) kind.first.set(key, index)
  }
  return (vcpu) => {
    const own = levelsOf(vcpu, counts)
    const found = [...kinds.values()].map(
      ({ named, first }) => first.get(named.map((at) => own[at]).join()) ?? Number.POSITIVE_INFINITY,
    )
    return places[Math.min(...found)]?.node ?? null
  }
}

/** Machines whose sockets are dealt out to the nodes, one after the other (hw/i386/x86.c, x86_get_default_cpu_node_id). */
const PCS = /^(?:pc|q35|isapc|microvm)(?:-|$)/

/** As PCs do by default; of other machines every vCPU is taken to be node 0's. Without a type it is a PC. */
function nodeBySocket(line: CommandLine, vcpus: VcpuCount, nodes: number): (vcpu: number) => number {
  if (!PCS.test(mergedValue(line, 'machine', 'type') ?? 'pc')) return () => 0
  const counts = levelCounts(line, vcpus)
  return (vcpu) => (levelsOf(vcpu, counts)[0] ?? 0) % nodes
}

function makeNode(id: number, vcpus: CpuSet, backends: readonly Backend[]): GuestNode {
  const boundTo = [...new Set(backends.flatMap((backend) => hostNodes(backend)))].sort((a, b) => a - b)
  return { id, vcpus, boundTo, hugePages: backends.flatMap(hugePagesOf) }
}

function hugePagesOf(backend: Backend): GuestNode['hugePages'] {
  const { properties } = backend
  const size = parseBytes(properties.get('hugetlbsize') ?? '')
  const bytes = parseBytes(properties.get('size') ?? '')
  const isHuge = parseSwitch(properties.get('hugetlb')) === true
  if (!isHuge || size === null || size === 0n || bytes === null || hostNodes(backend).length > 0) return []
  return [{ size, pages: Number(bytes / size) }]
}
