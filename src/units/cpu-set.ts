/** CPU numbers of the host, sorted, without repeats. */
export type CpuSet = readonly number[]

/** The most CPUs that a Linux can be built for: NR_CPUS with MAXSMP (arch/x86/Kconfig, arch/powerpc/Kconfig). */
const MOST_CPUS = 8192

/** Every other of these CPUs by itself, which is as long as the kernel writes it, takes 20 KiB. */
const LONGEST_LIST = 32_768

/** One entry of a list. */
interface Range {
  readonly first: number
  readonly last: number
  readonly stride: number
  readonly isTakenAway: boolean
}

/**
 * Reads the kernel's list format (cpuset(7), "List format"): `0-3,8,10-14:2`; with `^N` and `^N-M` taken
 * away, as libvirt writes cpusets. White space between entries is allowed; an empty text is an empty set.
 * @returns the set, or null when the text is not one, names a CPU above 8191 or is longer than 32 KiB
 */
export function parseCpuSet(text: string): CpuSet | null {
  if (text.length > LONGEST_LIST) return null
  const entries = text.split(',').map((entry) => entry.trim())
  if (entries.length === 1 && entries[0] === '') return []
  const ranges: Range[] = []
  for (const entry of entries) {
    const range = parseRange(entry)
    if (range === null) return null
    ranges.push(range)
  }
  if (!isAscending(ranges)) return combine(ranges)
  const parts = ranges.map(cpusOf)
  return parts.length === 1 ? (parts[0] ?? []) : parts.flat()
}

/**
 * Reads the same format as `parseCpuSet`, and keeps the order that the CPUs are written in: `8,24,9` is 8, 24, 9. A CPU
 * that is written again counts where it stands first.
 */
export function parseCpuList(text: string): readonly number[] | null {
  const set = parseCpuSet(text)
  if (set === null) return null
  const left = new Set(set)
  const list: number[] = []
  for (const entry of text.split(',')) {
    const range = parseRange(entry.trim())
    if (range === null || range.isTakenAway) continue
    for (const cpu of cpusOf(range)) if (left.delete(cpu)) list.push(cpu)
    if (left.size === 0) break
  }
  return list
}

function parseRange(entry: string): Range | null {
  const match = /^(\^?)(\d{1,6})(?:-(\d{1,6})(?::(\d{1,6}))?)?$/.exec(entry)
  if (match === null) return null
  const [, sign, from, to = from, step = 1] = match
  const range = {
    first: Number(from),
    last: Number(to),
    stride: Number(step),
    isTakenAway: sign === '^',
  }
  const isRange = range.first <= range.last && range.last < MOST_CPUS && range.stride > 0
  return isRange ? range : null
}

/** As the kernel writes lists. */
function isAscending(ranges: readonly Range[]): boolean {
  return ranges.every(
    ({ first, isTakenAway }, index) => !isTakenAway && first > (ranges[index - 1]?.last ?? -1),
  )
}

/** All of them, made when the first long range is read. */
let everyCpu: readonly number[] | undefined

function cpusOf({ first, last, stride }: Range): number[] {
  // A domain may have thousands of long lists, and without a compiler copying takes a hundredth of the time of counting.
  if (stride === 1 && last - first > 64) {
    everyCpu ??= Array.from({ length: MOST_CPUS }, (_, cpu) => cpu)
    return everyCpu.slice(first, last + 1)
  }
  return Array.from({ length: Math.floor((last - first) / stride) + 1 }, (_, index) => first + index * stride)
}

/** In any order, and each as often as somebody likes: the time must not depend on how many CPUs a range has. */
function combine(ranges: readonly Range[]): CpuSet {
  // Without a compiler, as a launch runs, 8192 steps take a millisecond.
  const has = new Uint8Array(Math.max(...ranges.map(({ last }) => last)) + 1)
  for (const { first, last, stride, isTakenAway } of ranges) {
    const value = isTakenAway ? 0 : 1
    if (stride === 1) has.fill(value, first, last + 1)
    else for (let cpu = first; cpu <= last; cpu += stride) has[cpu] = value
  }
  const cpus: number[] = []
  for (const [cpu, value] of has.entries()) if (value === 1) cpus.push(cpu)
  return cpus
}

/** Writes a set in the kernel's list format: `0-3,8`. The empty set is the empty text. */
export function formatCpuSet(cpus: CpuSet): string {
  const ranges: string[] = []
  let first = cpus[0]
  if (first === undefined) return ''
  let last = first
  for (const cpu of [...cpus.slice(1), Number.POSITIVE_INFINITY]) {
    if (cpu === last + 1) {
      last = cpu
      continue
    }
    ranges.push(first === last ? `${first}` : `${first}-${last}`)
    first = cpu
    last = cpu
  }
  return ranges.join(',')
}

/** CPUs of any of the sets, in order, each once. */
export function unionCpuSets(...sets: readonly CpuSet[]): CpuSet {
  return [...new Set(sets.flat())].sort((a, b) => a - b)
}

/** The CPUs that are in both sets, sorted. */
export function intersectCpuSets(a: CpuSet, b: CpuSet): CpuSet {
  const isThere = finder(a, b)
  return a.filter((cpu) => isThere(cpu))
}

/** The CPUs of `a` that are not in `b`, sorted. */
export function subtractCpuSets(a: CpuSet, b: CpuSet): CpuSet {
  const isThere = finder(a, b)
  return a.filter((cpu) => !isThere(cpu))
}

/** Looks CPUs of `a` up in `b`. A set of its CPUs takes longer to make than a few CPUs to find: a VM has few, its pin may have all. */
function finder(a: CpuSet, b: CpuSet): (cpu: number) => boolean {
  if (a.length <= 8) return (cpu) => b.includes(cpu)
  const others = new Set(b)
  return (cpu) => others.has(cpu)
}

/** The cgroup, right below the root group, in which `host isolate` keeps real-time CPUs that no VM has. */
export const RESERVE = '/qemu-rt'
