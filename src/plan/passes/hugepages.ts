import { type CommandLine, findOptions, mergedValue, placeOf, propertiesAt } from '../../argv/command-line.js'
import { type Properties, parseSwitch } from '../../argv/properties.js'
import { describePlace } from '../../errors/command-line.js'
import { blockBelowPageSize, notWholeHugePages } from '../../errors/memory.js'
import { type Bytes, formatBytes, parseBytes } from '../../units/bytes.js'
import type { Edit } from '../edit.js'
import { backPlainRam, type PlainRam, plainRam } from '../memory/base-ram.js'
import {
  type Backend,
  backendBytes,
  backendUses,
  boundNodes,
  machineType,
  memoryBackends,
} from '../memory/guest-ram.js'
import { checkHugePages, type HugePageNeed } from '../memory/hugepage-supply.js'
import { asMemfd } from '../memory/ram-name.js'
import { type VirtioMem, virtioMemDevices } from '../memory/virtio-mem.js'
import type { Pass } from '../pass.js'
import { type Warning, warning } from '../warning.js'

/** What pages are wanted, and for which guest. */
interface Wanted {
  readonly line: CommandLine
  readonly machine: string | null
  readonly size: Bytes
  /** The size as the configuration has it. */
  readonly written: string
}

/** What is changed, and the pages that takes. */
interface Backed {
  readonly edits: readonly Edit[]
  readonly warnings: readonly Warning[]
  readonly needs: readonly HugePageNeed[]
}

const NOTHING: Backed = { edits: [], warnings: [], needs: [] }

/**
 * Backs all guest RAM with huge pages by memfd, which needs no mounted hugetlbfs and no path that this user may write.
 * Pages are allocated before the guest starts, as libvirt does with <hugepages/>: a guest that first touches a page
 * must not be the one to find that there is none. Of virtio-mem, whose backend is as large as the guest may ever get, the
 * device allocates what is requested (property prealloc, QEMU 7.0), and nothing is reserved for the rest.
 */
export const hugepages: Pass = {
  name: 'hugepages',
  run(input) {
    const written = input.profile?.settings.hugepages ?? null
    const size = written === null ? null : parseBytes(written)
    if (input.profile === null || written === null || size === null) return { edits: [] }
    const { line, arch } = input
    const wanted = { line, machine: machineType(line, arch), size, written }
    const { needs, ...result } = backAll(wanted, plainRam(input))
    const { hugePages: host, memoryNodes: allowed = null } = input.host
    checkHugePages({ profile: input.profile.name, size, written, needs, host, allowed })
    return {
      ...result,
      warnings: [...result.warnings, ...(needs.length === 0 ? [] : besideGuestMemfd(line))],
    }
  },
}

function backAll(wanted: Wanted, plain: PlainRam | null): Backed {
  const { line } = wanted
  const ram = new Set(backendUses(line).flatMap(({ id, guestRam }) => (guestRam ? [id] : [])))
  const backends = memoryBackends(line).filter(({ id }) => ram.has(id))
  const all = [backPlain(wanted, plain), ...backends.map((backend) => backOne(wanted, backend))]
  const edits = all.flatMap(({ edits }) => edits)
  return {
    edits: [...edits, ...(edits.length === 0 || plain?.path ? [] : allocateEach(line, edits))],
    warnings: all.flatMap(({ warnings }) => warnings),
    needs: all.flatMap(({ needs }) => needs),
  }
}

/** Guests whose private memory is in guest_memfd, which has no huge pages (QEMU 9.1 target/i386/sev.c; 10.1 kvm/tdx.c). */
const IN_GUEST_MEMFD = new Set(['sev-snp-guest', 'tdx-guest'])

/** QEMU gives back no huge page that the guest takes for private (accel/kvm/kvm-all.c, kvm_convert_memory). */
function besideGuestMemfd(line: CommandLine): Warning[] {
  const id = mergedValue(line, 'machine', 'confidential-guest-support')
  const [type] = findOptions(line, 'object')
    .map(({ index }) => propertiesAt(line, index))
    .filter((object) => object.get('id') === id)
    .flatMap((object) => object.get('qom-type') ?? [])
  if (id === undefined || type === undefined || !IN_GUEST_MEMFD.has(type)) return []
  const text = `private memory of ${type} '${id}' is in guest_memfd, not in huge pages: these hold what the guest shares, and stay allocated besides`
  return [warning('placement', text)]
}

/**
 * `-mem-prealloc` is prealloc=on for every backend, also while the property is being set to off: QEMU then takes no
 * reserve=off. Where that is needed, all other backends say it themselves.
 */
function allocateEach(line: CommandLine, edits: readonly Edit[]): Edit[] {
  const options = findOptions(line, 'mem-prealloc')
  const growing = new Set(virtioMemDevices(line).map(({ memdev }) => memdev))
  const backends = memoryBackends(line)
  const isEdited = (at: number) => edits.some((edit) => edit.kind === 'replace' && edit.index === at)
  if (options.length === 0 || !backends.some(({ id, index }) => growing.has(id) && isEdited(index))) return []
  const others = backends.filter(
    ({ id, index, properties }) =>
      !growing.has(id) && !isEdited(index) && properties.get('prealloc') === undefined,
  )
  const reason = 'what virtio-mem may get later is not allocated, so each other memory says that it is'
  return [
    ...options.map(({ index }): Edit => ({ kind: 'remove', index, reason })),
    ...others.map(({ index, properties }): Edit => {
      return { kind: 'replace', index, argument: properties.set('prealloc', true).text, reason }
    }),
  ]
}

function backPlain(wanted: Wanted, ram: PlainRam | null): Backed {
  const { line, written } = wanted
  if (ram === null) return NOTHING
  // Whoever names a path has chosen where the memory is.
  if (ram.path !== null)
    return { ...NOTHING, warnings: [kept(`-mem-path ${ram.path} stays: guest RAM comes from there`)] }
  const properties = { hugetlb: true, hugetlbsize: written, prealloc: true }
  const memory = `memory backend '${ram.id}'`
  const edits = backPlainRam(line, ram, 'memory-backend-memfd', properties, reason(written))
  return {
    edits,
    warnings: ram.warnings,
    needs: [{ memory, pages: need(memory, ram.bytes, wanted), nodes: [] }],
  }
}

function backOne(wanted: Wanted, backend: Backend): Backed {
  const { line, machine, size, written } = wanted
  const { properties, type, index, id } = backend
  if (type !== 'memory-backend-ram' && type !== 'memory-backend-memfd') {
    const place = describePlace(placeOf(line, index))
    const text = `memory backend '${id}' of ${place} is left as it is: ${type} has its own place`
    return { ...NOTHING, warnings: [kept(text)] }
  }
  // A size that the command line has chosen is for this memory alone, as libvirt's <page nodeset=…>.
  if (parseSwitch(properties.get('hugetlb')) === true) return NOTHING
  const huge = asMemfd(properties, machine)
    .set('hugetlb', true)
    .set('hugetlbsize', properties.text.startsWith('{') ? size : written)
  const replace = (index: number, argument: string): Edit => {
    return { kind: 'replace', index, argument, reason: reason(written) }
  }
  const nodes = boundNodes(backend)
  const memory = `memory backend '${id}'`
  const pages = need(memory, backendBytes(line, backend), wanted)
  const device = virtioMemDevices(line).find(({ memdev }) => memdev === id)
  if (device === undefined) {
    // QEMU: "'prealloc=on' and 'reserve=off' are incompatible".
    const reserved = parseSwitch(huge.get('reserve')) === false ? huge.delete('reserve') : huge
    const argument = reserved.set('prealloc', true).text
    return { edits: [replace(index, argument)], warnings: [], needs: [{ memory, pages, nodes }] }
  }
  const edits = [replace(index, unallocated(huge).text)]
  if (device.properties.get('prealloc') === undefined) {
    edits.push(replace(device.index, device.properties.set('prealloc', true).text))
  }
  return { edits, warnings: [], needs: [{ memory, pages: requestedPages(device, wanted), nodes }] }
}

/** A backend of which nothing is allocated: QEMU 8.0 and later refuse another for virtio-mem. */
function unallocated(backend: Properties): Properties {
  const unreserved = backend.set('reserve', false)
  return unreserved.get('prealloc') === undefined ? unreserved : unreserved.set('prealloc', false)
}

function requestedPages({ user, block, requested }: VirtioMem, wanted: Wanted): number {
  if (block !== null && block < wanted.size) {
    throw blockBelowPageSize({ device: user, block: formatBytes(block), size: wanted.written })
  }
  return need(`requested-size of ${user}`, requested, wanted)
}

function kept(text: string): Warning {
  return warning('kept', text)
}

function reason(written: string): string {
  return `the profile backs guest RAM with huge pages of ${written}`
}

/** Pages that a memory takes. */
function need(memory: string, bytes: Bytes, { size, written }: Wanted): number {
  if (bytes % size !== 0n) throw notWholeHugePages({ memory, bytes: formatBytes(bytes), size: written })
  return Number(bytes / size)
}
