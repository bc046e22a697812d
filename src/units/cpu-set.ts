/** CPU numbers of the host, sorted, without repeats. */
export type CpuSet = readonly number[]

/**
 * Reads the kernel's list format (cpuset(7), "List format"): `0-3,8,10-14:2`; with `^N` and `^N-M` taken
 * away, as libvirt writes cpusets. White space between entries is allowed; an empty text is an empty set.
 * @returns the set, or null when the text is not one
 */
export function parseCpuSet(text: string): CpuSet | null {
  const cpus = new Set<number>()
  const entries = text.split(',').map((entry) => entry.trim())
  if (entries.length === 1 && entries[0] === '') return []
  for (const entry of entries) {
    const match = /^(\^?)(\d{1,6})(?:-(\d{1,6})(?::(\d{1,6}))?)?$/.exec(entry)
    if (match === null) return null
    const first = Number(match[2])
    const last = Number(match[3] ?? match[2])
    const stride = Number(match[4] ?? 1)
    if (last < first || stride === 0) return null
    for (let cpu = first; cpu <= last; cpu += stride) {
      if (match[1] === '^') cpus.delete(cpu)
      else cpus.add(cpu)
    }
  }
  return [...cpus].sort((a, b) => a - b)
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

/** The CPUs that are in both sets, sorted. */
export function intersectCpuSets(a: CpuSet, b: CpuSet): CpuSet {
  return a.filter((cpu) => b.includes(cpu))
}

/** The CPUs of `a` that are not in `b`, sorted. */
export function subtractCpuSets(a: CpuSet, b: CpuSet): CpuSet {
  return a.filter((cpu) => !b.includes(cpu))
}
