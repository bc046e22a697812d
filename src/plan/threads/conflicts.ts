import { realtimeOnReservedCpu, realtimeShared, switchCpusTaken } from '../../errors/threads.js'
import { type CpuSet, formatCpuSet, intersectCpuSets } from '../../units/cpu-set.js'
import type { CpuContext } from './cpu-choice.js'
import { isRealtime, type ThreadPlan, type ThreadSetting, type VcpuSetting } from './thread-plan.js'

/** A kind of thread with its CPUs, and the profile's key that gave them. */
interface Placed {
  readonly what: string
  readonly cpus: CpuSet
  readonly key: readonly string[]
}

/**
 * Refuses what must never be: a real-time vCPU where QEMU's other threads run (it would starve the main loop that it
 * waits for), on a housekeeping CPU or with another real-time vCPU; any thread of a VM on a switch CPU.
 * @throws {UserError} exit 78
 */
export function checkConflicts(plan: ThreadPlan, context: CpuContext): void {
  const { policy, profile } = context
  const where = (key: readonly string[]) => policy.place(['profile', profile, ...key])
  const others = otherThreads(plan)
  const vcpus = plan.vcpus.map((vcpu) => ({ ...placed(describeVcpu(vcpu), vcpu, ['vcpus']), vcpu }))
  for (const { what, cpus, key } of [...vcpus, ...others]) {
    const taken = intersectCpuSets(cpus, policy.host.switch ?? [])
    if (taken.length > 0) throw switchCpusTaken({ what, cpus: formatCpuSet(taken), where: where(key) })
  }
  const realtime = vcpus.filter(({ vcpu }) => isRealtime(vcpu))
  for (const [index, { what, cpus, key }] of realtime.entries()) {
    const busy = intersectCpuSets(cpus, policy.host.housekeeping ?? [])
    if (busy.length > 0) throw realtimeOnReservedCpu({ what, cpus: formatCpuSet(busy), where: where(key) })
    for (const other of [...others, ...realtime.slice(0, index)]) {
      const shared = intersectCpuSets(cpus, other.cpus)
      if (shared.length === 0) continue
      throw realtimeShared({ what, other: other.what, cpus: formatCpuSet(shared), where: where(key) })
    }
  }
}

function describeVcpu({ vcpu, policy, priority }: VcpuSetting): string {
  return isRealtime({ policy }) ? `vCPU ${vcpu} at ${policy} ${priority}` : `vCPU ${vcpu}`
}

function otherThreads({ emulator, iothreads, workers, vhost, contexts }: ThreadPlan): Placed[] {
  return [
    placed('emulator threads', emulator, ['emulator']),
    ...iothreads.map((one) => placed(`I/O thread '${one.id}'`, one, ['iothreads'])),
    placed('worker threads', workers, ['workers']),
    placed('vhost threads', vhost, ['vhost']),
    placed('thread contexts', contexts ?? null, ['thread-contexts']),
  ]
}

function placed(what: string, setting: ThreadSetting | null, key: readonly string[]): Placed {
  return { what, cpus: setting?.cpus ?? [], key }
}
