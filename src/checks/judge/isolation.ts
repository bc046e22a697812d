import { type CpuSet, formatCpuSet, parseCpuSet, subtractCpuSets, unionCpuSets } from '../../units/cpu-set.js'
import { byBoot } from '../fixes.js'

export const ISOLATION_ID = 'cpu.isolated'

/** Of CPUs that `host isolate` keeps: no check of a host, but the word for why a VM does not reach them. */
export const RESERVE_ID = 'cpu.reserve'

/** Those of some CPUs onto which other threads are balanced. @param isolated null when that is not known: then none */
export function notIsolated(cpus: CpuSet, isolated: CpuSet | null): CpuSet {
  return isolated === null ? [] : subtractCpuSets(cpus, isolated)
}

/** What isolcpus= says for CPUs that nothing else is to run on; interrupts that only their driver may move stay away, too. */
export const ISOLCPUS_FLAGS = ['managed_irq', 'domain']

/**
 * The value of isolcpus= (Linux Documentation/admin-guide/kernel-parameters.txt). Without a flag it means `domain` alone,
 * and managed interrupts come all the same.
 */
export function isolcpusParameter(cpus: CpuSet, flags: readonly string[] = ISOLCPUS_FLAGS): string {
  return `isolcpus=${[...flags].join(',')},${formatCpuSet(cpus)}`
}

/**
 * The CPUs that a host is to be booted with as isolated: those of real-time VMs and of the switch, and others that are so
 * already, which a parameter of the kernel names all together. Housekeeping CPUs are let go.
 */
export function cpusOfBoot(
  {
    realtime,
    switches,
    housekeeping,
  }: { readonly realtime: CpuSet; readonly switches: CpuSet; readonly housekeeping: CpuSet },
  there: CpuSet,
): CpuSet {
  return unionCpuSets(realtime, switches, subtractCpuSets(there, housekeeping))
}

/** What keeps the tick and RCU's callbacks off CPUs. */
export function ticklessParameters(cpus: CpuSet): string {
  return `nohz_full=${formatCpuSet(cpus)} rcu_nocbs=${formatCpuSet(cpus)}`
}

/** What is known of the isolation that is there. */
export interface Isolation {
  /** By any means; null when it is not known. */
  readonly isolated: CpuSet | null
  /** By cgroup partitions alone; absent or empty where there is none. */
  readonly isolatedByGroups?: CpuSet
}

/**
 * What to do about CPUs that are not isolated. isolcpus= and a partition do not go together: the kernel refuses a partition of
 * CPUs that were isolated at boot, but for an isolated one (Linux kernel/cgroup/cpuset.c, prstate_housekeeping_conflict).
 * @param left those that are not
 * @param parameters what else is booted with, by CPUs; those that are isolated already stay so, which another VM may have
 */
export function howToIsolate(
  left: CpuSet,
  { isolated, isolatedByGroups = [] }: Isolation,
  parameters: (cpus: CpuSet) => string = isolcpusParameter,
): string {
  return isolatedByGroups.length > 0
    ? addToPartition(left, isolatedByGroups)
    : byBoot(parameters(unionCpuSets(left, isolated ?? [])))
}

/** What to do where cgroups isolate CPUs already. */
function addToPartition(left: CpuSet, isolatedByGroups: CpuSet): string {
  return `add CPU ${formatCpuSet(left)} to the cgroup partition that isolates CPUs ${formatCpuSet(isolatedByGroups)}, or choose among these`
}

export const TICK_ID = 'boot.nohz-full'

/** CPUs without the tick, by /sys/devices/system/cpu/nohz_full, where `(null)` stands for none (drivers/base/cpu.c). */
export function parseTickless(text: string): CpuSet {
  return parseCpuSet(text) ?? []
}
