import { didYouMean } from '../errors/nearest.js'
import { type CpuSet, parseCpuList, parseCpuSet } from '../units/cpu-set.js'
import type { CpuChoice } from './policy.js'
import { parsed } from './values.js'

const NAMES = ['auto', 'housekeeping', 'realtime'] as const

/** CPUs of the host in the kernel's list format, at least one. */
export const cpuList = parsed(
  cpuListOf,
  '$setting is not a list of CPUs; write numbers and ranges in quotes, such as "0-3,8"',
)

/** CPUs for threads: a list, or a name that stands for one. */
export const cpuChoice = choiceOf(cpuListOf)

/** The same for vCPUs, which get the CPUs of a list in the order that it is written in. */
export const vcpuChoice = choiceOf((value) => atLeastOne(parseCpuList(value)))

function choiceOf(parseList: (value: string) => CpuSet | null) {
  return parsed(
    (value): CpuChoice | null => NAMES.find((name) => name === value) ?? parseList(value),
    (value) => {
      const near = typeof value === 'string' ? didYouMean(value, NAMES) : null
      return `$setting is not a list of CPUs; ${near ?? `write "0-3,8" or the like, or one of ${NAMES.map((name) => `"${name}"`).join(', ')}`}`
    },
  )
}

/** vCPUs in Nova's notation for hw:cpu_realtime_mask: numbers and ranges; `^` takes them away. */
export const realtimeMask = parsed(
  (value) => (value.split(',').every(isMaskEntry) ? value : null),
  '$setting is not a list of vCPUs; write the ones that are not real-time, such as "^0" or "^0-1"',
)

/** A set of at least one CPU; null for text that is none. */
export function cpuListOf(value: string): CpuSet | null {
  return atLeastOne(parseCpuSet(value))
}

function atLeastOne(cpus: CpuSet | null): CpuSet | null {
  return cpus === null || cpus.length === 0 ? null : cpus
}

function isMaskEntry(entry: string): boolean {
  return /^\s*\^?\d+(-\d+)?\s*$/.test(entry) && parseCpuSet(entry) !== null
}
