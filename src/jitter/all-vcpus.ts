import type { Policy, VcpuProfile } from '../config/policy.js'
import type { HostCpus } from '../host/facts.js'
import { usableCpus } from '../plan/threads/cpu-choice.js'
import type { CpuSet } from '../units/cpu-set.js'
import { MOST_VCPUS, realtimeAmong } from './guest.js'

/**
 * How many vCPUs measure where all are to: as many as the profile has CPUs for, without those that its mask leaves to the
 * guest's housekeeping. CPUs that other VMs hold count: that they are not free is for the plan to say.
 * @param vcpus null for best effort, which has the CPUs that are usable here
 * @returns one at least
 */
export function countAll(vcpus: VcpuProfile | null, host: Policy['host'], cpus: HostCpus | null): number {
  const count = Math.min(MOST_VCPUS, Math.max(1, placesOf(vcpus, host, cpus)))
  return Math.max(1, realtimeAmong(vcpus, count).length)
}

function placesOf(vcpus: VcpuProfile | null, host: Policy['host'], cpus: HostCpus | null): number {
  const choice = vcpus?.cpus ?? null
  if (choice === null) return usableCpus(cpus?.online ?? [], cpus).length
  if (isList(choice)) return usableCpus(choice, cpus).length
  if (typeof choice === 'object') return 1 + Math.max(0, ...Object.keys(choice).map(Number))
  const named = usableCpus((choice === 'auto' ? host.realtime : host[choice]) ?? [], cpus)
  return choice === 'auto' && vcpus?.isolatesCores === true ? coresOf(named, cpus).size : named.length
}

function isList(choice: VcpuProfile['cpus']): choice is CpuSet {
  return Array.isArray(choice)
}

function coresOf(named: CpuSet, cpus: HostCpus | null): Set<number> {
  return new Set(named.map((cpu) => cpus?.siblings[cpu]?.[0] ?? cpu))
}
