import type { HostCpus } from '../../host/facts.js'
import { type CpuSet, formatCpuSet, subtractCpuSets, unionCpuSets } from '../../units/cpu-set.js'
import { isRealtime, type ThreadPlan } from './thread-plan.js'

/** The kernel's own per-CPU threads, which a vCPU above them keeps from running as long as it is busy. */
const BELOW = 'rcuc and ksoftirqd'

/** Warns of what makes real-time vCPUs worse than they need be: throttling, and CPUs that others are balanced onto. */
export function realtimeWarnings({ vcpus }: ThreadPlan, host: HostCpus): string[] {
  const { isolated, realtimeRuntime } = host
  const realtime = vcpus.filter(isRealtime)
  const cpus = unionCpuSets(realtime.flatMap((vcpu) => vcpu.cpus ?? []))
  if (cpus.length === 0) return []
  const unreserved = isolated === null ? [] : subtractCpuSets(cpus, isolated)
  return [
    // sched(7), "Limiting the CPU usage of real-time and deadline processes"
    ...(realtimeRuntime === null || realtimeRuntime === -1
      ? []
      : [
          `real-time throttling is on (kernel.sched_rt_runtime_us is ${realtimeRuntime}): a vCPU that is busy is ` +
            'stopped for the rest of each period; run as root: sysctl kernel.sched_rt_runtime_us=-1',
        ]),
    ...(unreserved.length === 0
      ? []
      : [
          `CPU ${formatCpuSet(unreserved)} of real-time vCPUs is not isolated: the kernel puts other threads there; ` +
            howToIsolate(unreserved, unionCpuSets([...cpus, ...(isolated ?? [])]), host),
        ]),
    ...priorityWarnings(Math.max(...realtime.map(({ priority }) => priority ?? 0)), host),
  ]
}

/**
 * isolcpus= and a partition do not go together: the kernel refuses a partition of CPUs that were isolated at boot, but
 * for an isolated one (Linux kernel/cgroup/cpuset.c, prstate_housekeeping_conflict).
 *
 * @param all these and what is isolated already, which another VM may have
 */
function howToIsolate(unreserved: CpuSet, all: CpuSet, { isolatedByGroups }: HostCpus): string {
  return isolatedByGroups === undefined
    ? // Linux Documentation/admin-guide/kernel-parameters.txt, isolcpus=
      `boot with isolcpus=${formatCpuSet(all)} nohz_full=${formatCpuSet(all)} rcu_nocbs=${formatCpuSet(all)}`
    : addToPartition(unreserved, isolatedByGroups)
}

/** What to do where cgroups isolate CPUs already. */
export function addToPartition(unreserved: CpuSet, isolatedByGroups: CpuSet): string {
  return `add CPU ${formatCpuSet(unreserved)} to the cgroup partition that isolates CPUs ${formatCpuSet(isolatedByGroups)}, or choose among these`
}

/**
 * RCU's threads run at rcutree.kthread_prio, which is at most 1 where nobody says (Linux kernel/rcu/tree.c,
 * sanitize_kthread_prio); ksoftirqd is best-effort.
 */
function priorityWarnings(priority: number, { rcuPriority }: HostCpus): string[] {
  const limit = rcuPriority === 'default' ? 1 : rcuPriority
  if (limit === undefined || priority <= limit) return []
  const why =
    rcuPriority === 'default' ? 'without rcutree.kthread_prio=' : `with rcutree.kthread_prio=${limit}`
  return [
    `real-time vCPUs at priority ${priority} are above the kernel's ${BELOW} of their CPUs (at most ${limit} ${why}): a vCPU ` +
      `that is busy keeps them from running, and RCU stalls; lower the priority to ${Math.max(1, limit)}, or boot with ` +
      `rcutree.kthread_prio=${Math.min(99, priority + 1)}`,
  ]
}
