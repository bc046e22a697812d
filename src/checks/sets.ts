import type { HostPolicy, Policy, VcpuProfile } from '../config/policy.js'
import type { CheckFacts } from '../host/check/facts.js'
import { type CpuSet, intersectCpuSets, subtractCpuSets, unionCpuSets } from '../units/cpu-set.js'
import type { ProfileNeeds, Sets } from './check.js'
import { cpusOf, textsOf } from './look.js'

export const ONLINE = '/sys/devices/system/cpu/online'
export const PRESENT = '/sys/devices/system/cpu/present'
export const ISOLATED = '/sys/devices/system/cpu/isolated'

/** Where the root group tells the CPUs of isolated partitions: cgroup v2 by itself, and beside v1. Linux 6.8. */
const ROOTS_PARTITIONS = [
  '/sys/fs/cgroup/cpuset.cpus.isolated',
  '/sys/fs/cgroup/unified/cpuset.cpus.isolated',
]

/** What older kernels tell of the groups right below it. */
const KIND = '/sys/fs/cgroup/*/cpuset.cpus.partition'

/** All that tells which CPUs partitions have isolated. */
export const PARTITIONS = [...ROOTS_PARTITIONS, KIND, '/sys/fs/cgroup/*/cpuset.cpus.effective']

/** CPUs that nothing is balanced onto: by isolcpus= at boot, and by partitions since; null when neither is known. */
export function isolatedCpus(facts: CheckFacts): CpuSet | null {
  const known = [cpusOf(facts, ISOLATED), groupedCpus(facts)].filter((set) => set !== null)
  return known.length === 0 ? null : unionCpuSets(...known)
}

/** Those of them that partitions have isolated, rather than the boot. */
export function isolatedByGroups(facts: CheckFacts): CpuSet {
  return subtractCpuSets(groupedCpus(facts) ?? [], cpusOf(facts, ISOLATED) ?? [])
}

/**
 * CPUs of isolated partitions; null when it is not known. The text after `isolated` says why a partition is invalid, which then is
 * none.
 */
export function groupedCpus(facts: CheckFacts): CpuSet | null {
  const told = ROOTS_PARTITIONS.map((path) => cpusOf(facts, path)).filter((set) => set !== null)
  if (told.length > 0) return unionCpuSets(...told)
  const groups = textsOf(facts, KIND).flatMap(([path, kind]) =>
    kind === 'isolated' ? (cpusOf(facts, path.replace(/partition$/, 'effective')) ?? []) : [],
  )
  return groups.length === 0 ? null : groups
}

/**
 * What the host's CPUs are for: as the configuration says, else as the host itself shows. CPUs of the configuration that this
 * host has not are left out: `config.cpus` says so once, and nothing else can be said of them.
 */
export function findSets(facts: CheckFacts, configured: HostPolicy, profiles: readonly ProfileNeeds[]): Sets {
  const online = cpusOf(facts, ONLINE) ?? []
  const present = cpusOf(facts, PRESENT)
  const here = (cpus: CpuSet) => (present === null ? cpus : intersectCpuSets(cpus, present))
  const realtime = here(configured.realtime ?? isolatedCpus(facts) ?? [])
  const reserved = unionCpuSets(realtime, here(configured.switch ?? []))
  const priorities = profiles.flatMap(({ priority }) => priority ?? [])
  return {
    online,
    realtime,
    switches: here(configured.switch ?? []),
    reserved,
    housekeeping:
      configured.housekeeping === null ? subtractCpuSets(online, reserved) : here(configured.housekeeping),
    vcpuPriority: priorities.length === 0 ? null : Math.max(...priorities),
  }
}

/**
 * What is left of CPUs that something may use: without those for real time and for the switch. Others stay, whether they are in
 * `[host]` or not; where none of them is online the housekeeping CPUs take their place.
 * @param cpus null when it may use all
 */
export function withoutReserved(cpus: CpuSet | null, { reserved, online, housekeeping }: Sets): CpuSet {
  const left = subtractCpuSets(cpus ?? online, reserved)
  return intersectCpuSets(left, online).length === 0 ? housekeeping : left
}

/** What the profiles of a configuration ask of the host. @param only the one that counts; null for all */
export function profileNeeds(policy: Policy, only: string | null): ProfileNeeds[] {
  return Object.entries(policy.profiles)
    .filter(([name]) => only === null || name === only)
    .map(([name, { vcpus, hugepages, lockMemory }]) => ({
      name,
      priority: vcpus === null ? null : realtimePriority(vcpus),
      hugepages,
      lockMemory: lockMemory === true,
    }))
}

/** A real-time policy without a priority has the lowest. */
function realtimePriority({ policy, priority }: VcpuProfile): number | null {
  return policy === 'fifo' || policy === 'rr' ? (priority ?? 1) : null
}
