import { type CpuSet, parseCpuSet } from '../units/cpu-set.js'
import { readAttribute, readNumber } from './sysfs.js'
import type { Root } from './sysroot.js'

/** Performance monitors of a hybrid x86, the faster cores first (Linux arch/x86/events/intel/core.c, hybrid_pmu). */
const MONITORS = ['cpu_core', 'cpu_atom', 'cpu_lowpower']

/**
 * Sets of CPUs of one kind, the fastest first: P and E cores of x86, or by cpu_capacity
 * (Linux Documentation/ABI/testing/sysfs-devices-system-cpu), which Arm has.
 * @returns none where all are alike or the host does not say
 */
export function readCoreKinds(root: Root, present: CpuSet): CpuSet[] {
  const monitored = MONITORS.flatMap((name) => {
    const cpus = parseCpuSet(readAttribute(`${root}/sys/devices/${name}/cpus`) ?? '') ?? []
    return cpus.length === 0 ? [] : [cpus]
  })
  const kinds = monitored.length > 0 ? monitored : byCapacity(root, present)
  return kinds.length > 1 ? kinds : []
}

function byCapacity(root: Root, present: CpuSet): CpuSet[] {
  const kinds = new Map<number, number[]>()
  for (const cpu of present) {
    const capacity = readNumber(`${root}/sys/devices/system/cpu/cpu${cpu}/cpu_capacity`)
    // All have it or none has.
    if (capacity === null) return []
    kinds.set(capacity, [...(kinds.get(capacity) ?? []), cpu])
  }
  return [...kinds].sort(([a], [b]) => b - a).map(([, cpus]) => cpus)
}
