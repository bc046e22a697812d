import { formatCpuSet } from '../units/cpu-set.js'
import { printable } from '../units/printable.js'
import type { CpuRow, CpuUse, VcpuUse } from './cpu.js'
import { isFree } from './cpu-map.js'
import { type Column, fitTable } from './fit.js'
import { alarm, type Line, plain, title } from './line.js'
import { formatStrided } from './strided.js'

const COLUMNS: readonly Column[] = [
  { heading: '  CPU', min: 14 },
  { heading: 'NODE', isNumber: true, rank: 1 },
  { heading: 'FOR' },
  { heading: 'PLANNED THERE', min: 13 },
]

/** How many VMs are named one by one before they are counted. */
const NAMED_VMS = 3

/** A map of more rows is drawn by what CPUs are for. */
const FEW_ROWS = 24

/** How many conflicts are named before they are counted. */
const NAMED_CONFLICTS = 5

/** The map of the host's CPUs. Empty when the host does not say which it has. */
export function cpuSection(all: readonly CpuRow[], width: number): Line[] {
  if (all.length === 0) return []
  const map = all.length > FEW_ROWS ? grouped(all) : all
  const hasNodes = new Set(map.map(({ node }) => node)).size > 1
  const columns = COLUMNS.filter(({ heading }) => hasNodes || heading !== 'NODE')
  const rows = map.map((row) => [
    `${row.conflicts.length > 0 ? '!' : ' '} ${formatStrided(row.cpus)}`,
    ...(hasNodes ? [String(row.node ?? '-')] : []),
    purpose(row),
    isFree(row) ? 'free' : describeUses(row.uses),
  ])
  const [heading = '', ...lines] = fitTable(columns, rows, width)
  const troubles = all.flatMap(({ cpus, conflicts }) =>
    conflicts.map((conflict) => alarm(`! CPU ${formatStrided(cpus)}: ${printable(conflict)}`)),
  )
  const more = troubles.length - NAMED_CONFLICTS
  return [
    plain(''),
    title('CPUs of this host'),
    plain(heading),
    ...lines.map((text, index) => (map[index]?.conflicts.length ? alarm(text) : plain(text))),
    ...troubles.slice(0, NAMED_CONFLICTS),
    ...(more > 0 ? [alarm(`! ${more} more conflicts: qemu-rt status --format json has all`)] : []),
  ]
}

/** Rows that differ in whose threads are there alone, as one. */
function grouped(map: readonly CpuRow[]): CpuRow[] {
  const groups = new Map<string, CpuRow[]>()
  for (const row of map) {
    const { node, set, isOnline, isIsolated, uses, conflicts } = row
    const hasVcpus = uses.some(({ vcpus }) => vcpus.length > 0)
    const key = JSON.stringify([node, set, isOnline, isIsolated, isFree(row), hasVcpus, conflicts.length > 0])
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [row])
    else group.push(row)
  }
  return [...groups.values()].flatMap((rows) => joined(rows) ?? [])
}

function joined(rows: readonly CpuRow[]): CpuRow | null {
  const [first] = rows
  if (first === undefined) return null
  const uses = new Map<number, CpuUse>()
  for (const use of rows.flatMap((row) => row.uses)) {
    const known = uses.get(use.pid) ?? { ...use, vcpus: [], others: [] }
    uses.set(use.pid, {
      ...known,
      vcpus: [
        ...known.vcpus,
        ...use.vcpus.filter(({ vcpu }) => !known.vcpus.some((one) => one.vcpu === vcpu)),
      ],
      others: [...new Set([...known.others, ...use.others])],
    })
  }
  return {
    ...first,
    cpus: rows.flatMap(({ cpus }) => cpus).sort((a, b) => a - b),
    uses: [...uses.values()],
    conflicts: rows.flatMap(({ conflicts }) => conflicts),
  }
}

function purpose({ set, isOnline, isIsolated }: CpuRow): string {
  const words = [
    ...(set === null ? [] : [set]),
    ...(isOnline ? [] : ['offline']),
    // What is expected is not said: that CPUs of VMs and of the switch are isolated, and others are not.
    ...(set === 'realtime' && isOnline && isIsolated === false ? ['not isolated'] : []),
    ...((set === null || set === 'housekeeping') && isIsolated === true ? ['isolated'] : []),
  ]
  return words.join(', ') || '-'
}

/** vCPUs first, by VM; then other threads, of VMs that have the same together. */
function describeUses(uses: readonly CpuUse[]): string {
  const withVcpus = uses.filter(({ vcpus }) => vcpus.length > 0)
  const vcpus =
    withVcpus.length > NAMED_VMS
      ? [`vCPUs of ${withVcpus.length} VMs`]
      : withVcpus.map(({ label, vcpus }) => `${printable(label)} ${describeVcpus(vcpus)}`)
  const labels = new Map<string, string[]>()
  for (const { label, others } of uses) {
    if (others.length === 0) continue
    const what = describeOthers(others)
    labels.set(what, [...(labels.get(what) ?? []), printable(label)])
  }
  const owners = [...labels.values()].flat()
  const others =
    labels.size > NAMED_VMS
      ? [`other threads of ${owners.length} VMs`]
      : [...labels].map(([what, names]) => {
          return `${what} of ${names.length > NAMED_VMS ? `${names.length} VMs` : names.join(', ')}`
        })
  return [...vcpus, ...others].join('; ') || '-'
}

/** `vCPU 0-3 fifo 1`: vCPUs of the same policy together. */
function describeVcpus(vcpus: readonly VcpuUse[]): string {
  const byPolicy = new Map<string, number[]>()
  for (const { vcpu, policy, priority } of vcpus) {
    const scheduling = [policy, priority].filter((part) => part !== null).join(' ')
    byPolicy.set(scheduling, [...(byPolicy.get(scheduling) ?? []), vcpu])
  }
  return [...byPolicy]
    .map(([scheduling, numbers]) => `vCPU ${formatCpuSet(numbers)} ${scheduling}`.trimEnd())
    .join(', ')
}

function describeOthers(others: readonly string[]): string {
  const iothreads = others.filter((other) => other.startsWith('I/O thread '))
  const rest = others.filter((other) => !other.startsWith('I/O thread '))
  const [first, ...more] = iothreads
  const io =
    first === undefined ? [] : [more.length === 0 ? printable(first) : `${iothreads.length} I/O threads`]
  return [...rest, ...io].join(', ')
}
