import { type CpuSet, formatCpuSet } from '../units/cpu-set.js'

/** A shorter list is read more easily as it is. */
const LEAST = 4

/**
 * Writes a set with strides, as taskset(1) takes them: `4-126:2`. Where firmware numbers the CPUs of two NUMA nodes in
 * turn, each node's are every second one.
 */
export function formatStrided(cpus: CpuSet): string {
  const entries: string[] = []
  let plain: number[] = []
  for (let at = 0; at < cpus.length; ) {
    const run = runAt(cpus, at)
    if (run.step > 1 && run.length >= LEAST) {
      entries.push(formatCpuSet(plain), `${cpus[at]}-${cpus[at + run.length - 1]}:${run.step}`)
      plain = []
    } else plain.push(...cpus.slice(at, at + run.length))
    at += run.length
  }
  return [...entries, formatCpuSet(plain)].filter((entry) => entry !== '').join(',')
}

/** The run of equal steps that begins at a place. A short one is given as its first CPU alone: the next may be longer. */
function runAt(cpus: CpuSet, at: number): { readonly length: number; readonly step: number } {
  const step = (cpus[at + 1] ?? 0) - (cpus[at] ?? 0)
  let length = 1
  while (cpus[at + length] === (cpus[at] ?? 0) + length * step) length++
  return step === 1 || length >= LEAST ? { length, step } : { length: 1, step }
}
