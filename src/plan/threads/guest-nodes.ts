import { type CommandLine, findOptions, propertiesAt } from '../../argv/command-line.js'
import { parseSwitch } from '../../argv/properties.js'
import { type Bytes, parseBytes } from '../../units/bytes.js'
import { type CpuSet, parseCpuSet } from '../../units/cpu-set.js'
import { type Backend, backendUses, hostNodes, memoryBackends } from '../memory/guest-ram.js'
import { smpNumber, type VcpuCount } from './smp.js'

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
 * NumaOptions). vCPUs of no node are the first one's (hw/core/machine.c, machine_numa_finish_cpu_init).
 */
export function guestNodes(line: CommandLine, vcpus: VcpuCount): GuestNode[] {
  const ram = new Set(backendUses(line).flatMap(({ id, guestRam }) => (guestRam ? [id] : [])))
  const backends = memoryBackends(line).filter(({ id }) => ram.has(id))
  const options = findOptions(line, 'numa').map(({ index }) => propertiesAt(line, index))
  const written = options
    .filter((numa) => numa.get('type') === 'node')
    .map((numa, index) => ({
      id: Number(numa.get('nodeid') ?? index),
      // The key may be repeated, and each adds CPUs.
      vcpus: [...numa.text.matchAll(/(?:^|,)cpus=([\d-]+)/g)].flatMap(
        ([, list = '']) => parseCpuSet(list) ?? [],
      ),
      backends: backends.filter(({ id }) => id === numa.get('memdev')),
    }))
  const all = Array.from({ length: vcpus.possible }, (_, vcpu) => vcpu)
  const [only, second] = written
  if (only === undefined || second === undefined) return [makeNode(0, all, backends)]
  const places = options
    .filter((numa) => numa.get('type') === 'cpu')
    .map((numa) => {
      const at = (key: string) => (numa.get(key) === undefined ? null : Number(numa.get(key)))
      return { node: at('node-id'), levels: LEVELS.map((level) => at(`${level}-id`)) }
    })
  const nodeOfVcpu = (vcpu: number): number => {
    const own = levelsOf(line, vcpus, vcpu)
    const place = places.find(({ levels }) =>
      levels.every((level, at) => level === null || level === own[at]),
    )
    return place?.node ?? written.find(({ vcpus }) => vcpus.includes(vcpu))?.id ?? only.id
  }
  return written.map(({ id, backends }) =>
    makeNode(
      id,
      all.filter((vcpu) => nodeOfVcpu(vcpu) === id),
      backends,
    ),
  )
}

/** A vCPU has a number in each (QEMU 10.0 qapi/machine.json, CpuInstanceProperties). */
const LEVELS = ['socket', 'die', 'cluster', 'module', 'core', 'thread'] as const

/** A vCPU's number in each level (QEMU hw/core/machine-smp.c; cores are what is not said). */
function levelsOf(line: CommandLine, { possible, threads }: VcpuCount, vcpu: number): number[] {
  const product = (counts: readonly number[]) => counts.reduce((total, count) => total * count, 1)
  const outer = (['sockets', 'dies', 'clusters', 'modules'] as const).map((key) => smpNumber(line, key) || 1)
  const cores = smpNumber(line, 'cores') || Math.max(1, Math.floor(possible / (product(outer) * threads)))
  const counts = [...outer, cores, threads]
  return counts.map((count, level) => Math.floor(vcpu / product(counts.slice(level + 1))) % count)
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
