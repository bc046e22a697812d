import type { CpuChoice, VcpuProfile } from '../../config/policy.js'
import { noRealtimeVcpu, realtimeWithoutCpus, tooFewCpus } from '../../errors/threads.js'
import { type CpuSet, formatCpuSet } from '../../units/cpu-set.js'
import { type CpuContext, chosenCpus } from './cpu-choice.js'
import { cpusFor, type HandOut } from './hand-out.js'
import { realtimeVcpus } from './realtime-mask.js'
import { isRealtime, type VcpuSetting } from './thread-plan.js'

const KEY = ['vcpus']

/**
 * CPUs and policy of each vCPU. A list, `realtime` and `auto` give each vCPU one CPU of its own, in ascending order (`auto`: core by core);
 * `housekeeping` lets all of them share the set.
 * @param count vCPUs that the guest may have
 * @throws {UserError} exit 69 for fewer CPUs than vCPUs, 78 for a real-time vCPU without CPUs
 */
export function planVcpus(
  profile: VcpuProfile,
  count: number,
  context: CpuContext,
  handOut: HandOut,
): VcpuSetting[] {
  const realtime = isRealtime(profile) ? realtimeVcpus(profile.realtimeMask, count) : []
  const where = () => context.policy.place(['profile', context.profile, ...KEY])
  if (isRealtime(profile) && realtime.length === 0) {
    throw noRealtimeVcpu({ mask: profile.realtimeMask ?? '', vcpus: count, where: where() })
  }
  const cpusOf = placeVcpus(profile.cpus, count, context, handOut)
  const bestEffort = { policy: null, priority: null }
  return Array.from({ length: count }, (_, vcpu) => {
    const { policy, priority } = !isRealtime(profile) || realtime.includes(vcpu) ? profile : bestEffort
    const cpus = cpusOf(vcpu)
    if (cpus === null && isRealtime({ policy })) throw realtimeWithoutCpus({ vcpu, where: where() })
    return { vcpu, cpus, policy, priority }
  })
}

function placeVcpus(
  choice: VcpuProfile['cpus'],
  count: number,
  context: CpuContext,
  handOut: HandOut,
): (vcpu: number) => CpuSet | null {
  if (choice === null) return () => null
  if (isTable(choice)) {
    return (vcpu) => {
      const cpus = choice[vcpu]
      return cpus === undefined ? null : chosenCpus(cpus, [...KEY, 'cpus', String(vcpu)], context)
    }
  }
  const cpus = cpusFor(choice, count, { what: 'vCPUs', key: KEY }, context, handOut)
  if (choice === 'housekeeping') return () => cpus
  if (cpus.length < count) {
    throw tooFewCpus({
      vcpus: count,
      cpus: formatCpuSet(cpus),
      cpuset: context.cpus?.cpuset ? formatCpuSet(context.cpus.cpuset) : null,
      where: context.policy.place(['profile', context.profile, ...KEY, 'cpus']),
    })
  }
  return (vcpu) => cpus.slice(vcpu, vcpu + 1)
}

function isTable(
  choice: CpuChoice | Readonly<Record<number, CpuSet>>,
): choice is Readonly<Record<number, CpuSet>> {
  return typeof choice === 'object' && !Array.isArray(choice)
}
