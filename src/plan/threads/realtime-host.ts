import type { HostCpus } from '../../host/facts.js'
import { formatCpuSet, subtractCpuSets } from '../../units/cpu-set.js'
import { sorted } from './hand-out.js'
import { isRealtime, type ThreadPlan } from './thread-plan.js'

/** Warns of what makes real-time vCPUs worse than they need be: throttling, and CPUs that others are balanced onto. */
export function realtimeWarnings({ vcpus }: ThreadPlan, { isolated, realtimeRuntime }: HostCpus): string[] {
  const cpus = sorted(vcpus.filter(isRealtime).flatMap((vcpu) => vcpu.cpus ?? []))
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
    // Linux Documentation/admin-guide/kernel-parameters.txt, isolcpus=
    ...(unreserved.length === 0
      ? []
      : [
          `CPU ${formatCpuSet(unreserved)} of real-time vCPUs is not isolated: the kernel puts other threads there; ` +
            `boot with isolcpus=${formatCpuSet(cpus)} nohz_full=${formatCpuSet(cpus)} rcu_nocbs=${formatCpuSet(cpus)}`,
        ]),
  ]
}
