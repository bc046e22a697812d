import { type CpuSet, formatCpuSet, intersectCpuSets } from '../../units/cpu-set.js'

/** Threads that are busy all the time, with the CPUs that each may run on; null where that is not known. */
export interface BusyThread {
  readonly what: string
  readonly cpus: CpuSet | null
}

/**
 * Why a figure says nothing of the network, if so: each thread that polls needs a CPU, and everything else one more.
 * @param online CPUs that there are
 * @returns null when it means something
 */
export function whyMeaningless(online: CpuSet, busy: readonly BusyThread[]): string | null {
  const needed = busy.length + 1
  if (online.length < needed) {
    const names = busy.map(({ what }) => what)
    const all = `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
    return `${all} poll, and the rest needs a CPU, too: ${needed} CPUs are needed, and ${online.length} are there`
  }
  for (const [index, one] of busy.entries()) {
    for (const other of busy.slice(index + 1)) {
      const shared = intersectCpuSets(one.cpus ?? [], other.cpus ?? [])
      if (one.cpus?.length === 1 && other.cpus?.length === 1 && shared.length > 0) {
        return `${one.what} and ${other.what} both poll on CPU ${formatCpuSet(shared)}`
      }
    }
  }
  return null
}
