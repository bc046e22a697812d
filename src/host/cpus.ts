import { type CpuSet, parseCpuSet } from '../units/cpu-set.js'
import { readAttribute } from './sysfs.js'
import type { Root } from './sysroot.js'

/** CPUs that are there, online or not; null when the host does not say. */
export function readCpus(root: Root): CpuSet | null {
  const text = readAttribute(`${root}/sys/devices/system/cpu/present`)
  return text === null || text === '' ? null : parseCpuSet(text)
}
