import type { HostCpus } from '../../host/facts.js'
import type { KernelThread, KernelThreadsOf } from '../../host/kernel-threads.js'
import { type CpuSet, formatCpuSet, subtractCpuSets, unionCpuSets } from '../../units/cpu-set.js'
import { isRealtime, type ThreadPlan, type VcpuSetting } from './thread-plan.js'

/** The kernel's own per-CPU threads, which a vCPU above them keeps from running as long as it is busy. */
const BELOW = 'rcuc and ksoftirqd'

/** Warns of what makes real-time vCPUs worse than they need be: throttling, and CPUs that others are balanced onto. */
export function realtimeWarnings(
  { vcpus }: ThreadPlan,
  host: HostCpus,
  kernelThreads: KernelThreadsOf = () => null,
): string[] {
  const { isolated, realtimeRuntime } = host
  const realtime = vcpus.filter(isRealtime)
  const cpus = unionCpuSets(realtime.flatMap((vcpu) => vcpu.cpus ?? []))
  if (cpus.length === 0) return []
  const threads = kernelThreads(cpus)
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
    ...(threads === null
      ? priorityWarnings(Math.max(...realtime.map(({ priority }) => priority ?? 0)), host)
      : waitingWarnings(realtime, threads)),
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

/** A priority that leaves room for the kernel's threads above it. */
const HIGHEST = 95

/** Threads of the kernel's that do not run before the vCPUs of their CPU. */
function waitingWarnings(realtime: readonly VcpuSetting[], threads: readonly KernelThread[]): string[] {
  const waiting = threads.filter(({ cpu, priority }) =>
    realtime.some((vcpu) => (vcpu.priority ?? 1) >= priority && (cpu === null || vcpu.cpus?.includes(cpu))),
  )
  const [lowest, ...others] = [...waiting].sort((a, b) => a.priority - b.priority)
  if (lowest === undefined) return []
  const highest = Math.max(...realtime.map(({ priority }) => priority ?? 1))
  const more = others.length === 0 ? '' : ` and ${others.length} more`
  const less = lowest.priority > 1 ? `, or give the vCPUs a priority of ${lowest.priority - 1} at most` : ''
  const todo =
    highest > HIGHEST
      ? `give the vCPUs a priority of ${HIGHEST} at most, then run as root: qemu-rt host apply`
      : `run as root: qemu-rt host apply, which puts such threads above vCPUs${less}`
  return [
    `real-time vCPUs at priority ${highest} keep the kernel's own threads from running while they are busy: ` +
      `${lowest.name} (${lowest.priority === 0 ? 'best effort' : `priority ${lowest.priority}`})${more}; ${todo}`,
  ]
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
