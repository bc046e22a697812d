import { escapeCommas } from '../argv/keyval.js'
import { MOST_NODES } from '../plan/memory/guest-ram.js'
import type { Bytes } from '../units/bytes.js'
import { parseCpuSet } from '../units/cpu-set.js'
import { vcpusAtStart } from './cputune.js'
import type { Domain } from './domain.js'
import { sizeIn } from './size.js'
import { vhostUserDevices } from './vhost-user-devices.js'
import { childOf, childrenOf, type XmlElement } from './xml.js'

/**
 * Makes the part of QEMU's command line that a plan looks at, as libvirt 9.0 writes it: for where there is no libvirt to
 * ask. Other disks, displays and the like are left out.
 */
export function madeArguments(domain: Domain): string[] {
  const { root, name, uuid, args, hostdevs } = domain
  return [
    ...['-name', `guest=${escapeCommas(name)},debug-threads=on`, '-S'],
    ...memory(root),
    ...['-smp', vcpus(root)],
    ...iothreads(root).flatMap((id) => ['-object', JSON.stringify({ 'qom-type': 'iothread', id })]),
    ...(uuid === null ? [] : ['-uuid', uuid]),
    ...vhostUserDevices(root),
    ...hostdevs.flatMap(({ id, address, iommufd }) => [
      '-device',
      JSON.stringify({ driver: 'vfio-pci', host: address, id, ...(iommufd ? { iommufd: IOMMUFD } : {}) }),
    ]),
    ...args,
  ]
}

/**
 * The command line with the addresses of devices that libvirt passes open: `virsh domxml-to-native` opens nothing, and
 * writes neither `host` nor `fd` of them (src/qemu/qemu_command.c, qemuBuildPCIHostdevDevProps; seen with 12.8).
 * @param args as libvirt printed them
 */
export function withPassedHostdevs(args: readonly string[], { hostdevs }: Domain): string[] {
  return args.map((arg) => {
    if (arg.includes('"fd":')) return arg
    const start = (id: string) => `{"driver":"vfio-pci","id":${JSON.stringify(id)},`
    const hostdev = hostdevs.find(({ id }) => arg.startsWith(start(id)))
    if (hostdev === undefined) return arg
    return arg.replace(',', `,"host":"${hostdev.address}",`)
  })
}

/** libvirt's id for the object of iommufd, which it passes open (src/qemu/qemu_command.c). */
const IOMMUFD = 'iommufd0'

function memory(root: XmlElement): string[] {
  const size = sizeIn(childOf(root, 'memory'))
  const machine = childOf(childOf(root, 'os'), 'type')?.attributes.machine ?? 'pc'
  const locked = childOf(childOf(root, 'memoryBacking'), 'locked') === null ? 'off' : 'on'
  const common = ['-m', `size=${size / 1024n}k`, '-overcommit', `mem-lock=${locked}`]
  // With one more than it can have, QEMU refuses the start whatever the others are.
  const cells = childrenOf(childOf(childOf(root, 'cpu'), 'numa'), 'cell').slice(0, MOST_NODES + 1)
  if (cells.length === 0) {
    return ['-machine', `${machine},memory-backend=pc.ram`, ...common, ...backend(root, 'pc.ram', size)]
  }
  const nodes = cells.flatMap((cell, index) => {
    const id = cell.attributes.id ?? String(index)
    const cpus = (cell.attributes.cpus ?? '').split(',').filter(Boolean)
    const node = [`node,nodeid=${id}`, ...cpus.map((range) => `cpus=${range}`), `memdev=ram-node${id}`]
    const ram = backend(root, `ram-node${id}`, sizeIn(cell, 'memory'), { id, element: cell })
    return [...ram, '-numa', node.join(',')]
  })
  return ['-machine', machine, ...common, ...nodes]
}

/** A NUMA node of the guest. */
interface Cell {
  readonly id: string
  readonly element: XmlElement
}

/** A backend of guest RAM as libvirt chooses it (src/qemu/qemu_command.c, qemuBuildMemoryBackendProps). */
function backend(root: XmlElement, id: string, size: Bytes, cell?: Cell): string[] {
  const backing = childOf(root, 'memoryBacking')
  const access = cell?.element.attributes.memAccess ?? childOf(backing, 'access')?.attributes.mode
  const source = childOf(backing, 'source')?.attributes.type
  const page = childOf(childOf(backing, 'hugepages'), 'page')
  const hugepages = childOf(backing, 'hugepages') !== null
  const shared = access === 'shared'
  const props = { id, size: Number(size), ...placement(childOf(root, 'numatune'), cell?.id) }
  if (source !== 'memfd' && !hugepages && !shared)
    return object({ 'qom-type': 'memory-backend-ram', ...props })
  const pages = page === null ? {} : { hugetlbsize: Number(sizeIn(page, 'size')) }
  return object({
    'qom-type': 'memory-backend-memfd',
    ...props,
    share: shared,
    ...(hugepages ? { hugetlb: true, ...pages, prealloc: true } : {}),
  })
}

/** libvirt's modes of `<numatune>`, as QEMU calls them (src/qemu/qemu_command.c, qemuNumaPolicy). It tells QEMU of no other. */
const NUMA_POLICIES: ReadonlyMap<string, string> = new Map([
  ['strict', 'bind'],
  ['preferred', 'preferred'],
  ['interleave', 'interleave'],
])

/**
 * The host's NUMA nodes that a backend's memory comes from: those of the guest node's `<memnode>`, else those of `<memory>`
 * (src/conf/numa_conf.c, virDomainNumatuneGetNodeset and virDomainNumatuneGetMode). Which numad will choose is not known.
 * @param cell id of the guest's NUMA node; absent for a guest without
 */
function placement(numatune: XmlElement | null, cell?: string): object {
  const memory = childOf(numatune, 'memory')
  if (memory?.attributes.placement === 'auto') return {}
  const own = childrenOf(numatune, 'memnode').find(
    ({ attributes }) => cell !== undefined && Number(attributes.cellid) === Number(cell),
  )
  const { nodeset = '', mode = 'strict' } = (own ?? memory)?.attributes ?? {}
  // In order, so that all that QEMU knows are among the first.
  const nodes = (parseCpuSet(nodeset) ?? []).slice(0, MOST_NODES)
  const policy = NUMA_POLICIES.get(mode)
  return nodes.length === 0 || policy === undefined ? {} : { 'host-nodes': nodes, policy }
}

function object(properties: object): string[] {
  return ['-object', JSON.stringify(properties)]
}

function vcpus(root: XmlElement): string {
  const vcpu = childOf(root, 'vcpu')
  // libvirt's numbers are decimal, QEMU takes a 0 in front for octal.
  const decimal = (text: string | undefined) => text?.trim().replace(/^\+?0*(?=\d)/, '')
  const most = decimal(vcpu?.text) || '1'
  const current = vcpusAtStart(root)?.length.toString() ?? decimal(vcpu?.attributes.current)
  return current === undefined || current === most ? most : `${current},maxcpus=${most}`
}

/** As many as libvirt tells of (src/remote/remote_protocol.x, REMOTE_IOTHREAD_INFO_MAX). */
const MOST_IOTHREADS = 16_384

/** `<iothreads>2</iothreads>` are iothread1 and iothread2; `<iothreadids>` names further ones. */
function iothreads(root: XmlElement): string[] {
  const named = childrenOf(childOf(root, 'iothreadids'), 'iothread').map(({ attributes }) =>
    Number(attributes.id),
  )
  const text = childOf(root, 'iothreads')?.text
  const count = Math.min(
    text !== undefined && /^\d+$/.test(text) ? Number(text) : named.length,
    MOST_IOTHREADS,
  )
  const known = new Set(named)
  const others = Array.from({ length: count }, (_, index) => index + 1).filter((id) => !known.has(id))
  const missing = Math.max(0, count - named.length)
  return [...named, ...others.slice(0, missing)].sort((a, b) => a - b).map((id) => `iothread${id}`)
}
