import { type CommandLine, placeOf } from '../../argv/command-line.js'
import { parseSwitch } from '../../argv/properties.js'
import { describePlace } from '../../errors/command-line.js'
import { notWholeHugePages } from '../../errors/memory.js'
import { type Bytes, formatBytes, parseBytes } from '../../units/bytes.js'
import type { Edit } from '../edit.js'
import { backPlainRam, type PlainRam, plainRam } from '../memory/base-ram.js'
import {
  type Backend,
  backendBytes,
  backendUses,
  hostNodes,
  machineType,
  memoryBackends,
} from '../memory/guest-ram.js'
import { checkHugePages, type HugePageNeed } from '../memory/hugepage-supply.js'
import { asMemfd } from '../memory/memfd.js'
import type { Pass } from '../pass.js'
import type { Warning } from '../warnings.js'

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
 * must not be the one to find that there is none.
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
    checkHugePages({ profile: input.profile.name, size, written, needs, host: input.host.hugePages })
    return result
  },
}

function backAll(wanted: Wanted, plain: PlainRam | null): Backed {
  const ram = new Set(backendUses(wanted.line).flatMap(({ id, guestRam }) => (guestRam ? [id] : [])))
  const backends = memoryBackends(wanted.line).filter(({ id }) => ram.has(id))
  const all = [backPlain(wanted, plain), ...backends.map((backend) => backOne(wanted, backend))]
  return {
    edits: all.flatMap(({ edits }) => edits),
    warnings: all.flatMap(({ warnings }) => warnings),
    needs: all.flatMap(({ needs }) => needs),
  }
}

function backPlain({ line, size, written }: Wanted, ram: PlainRam | null): Backed {
  if (ram === null) return NOTHING
  // Whoever names a path has chosen where the memory is.
  if (ram.path !== null)
    return { ...NOTHING, warnings: [kept(`-mem-path ${ram.path} stays: guest RAM comes from there`)] }
  const properties = { hugetlb: true, hugetlbsize: written, prealloc: true }
  const edits = backPlainRam(line, ram, 'memory-backend-memfd', properties, reason(written))
  return { edits, warnings: ram.warnings, needs: [need({ ...ram, nodes: [] }, size, written)] }
}

function backOne({ line, machine, size, written }: Wanted, backend: Backend): Backed {
  const { properties, type, index, id } = backend
  if (type !== 'memory-backend-ram' && type !== 'memory-backend-memfd') {
    const place = describePlace(placeOf(line, index))
    const text = `memory backend '${id}' of ${place} is left as it is: ${type} has its own place`
    return { ...NOTHING, warnings: [kept(text)] }
  }
  // A size that the command line has chosen is for this memory alone, as libvirt's <page nodeset=…>.
  if (parseSwitch(properties.get('hugetlb')) === true) return NOTHING
  const argument = asMemfd(properties, machine)
    .set('hugetlb', true)
    .set('hugetlbsize', properties.text.startsWith('{') ? size : written)
    .set('prealloc', true).text
  const pages = need({ id, bytes: backendBytes(line, backend), nodes: hostNodes(backend) }, size, written)
  return {
    edits: [{ kind: 'replace', index, argument, reason: reason(written) }],
    warnings: [],
    needs: [pages],
  }
}

function kept(text: string): Warning {
  return { kind: 'kept', text }
}

function reason(written: string): string {
  return `the profile backs guest RAM with huge pages of ${written}`
}

function need(
  memory: { id: string; bytes: Bytes; nodes: readonly number[] },
  size: Bytes,
  written: string,
): HugePageNeed {
  if (memory.bytes % size !== 0n) {
    throw notWholeHugePages({ backend: memory.id, bytes: formatBytes(memory.bytes), size: written })
  }
  return { pages: Number(memory.bytes / size), nodes: memory.nodes }
}
