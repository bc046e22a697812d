import type { CpuChoice, VcpuProfile } from '../../config/policy.js'
import { noRealtimeVcpu, realtimeWithoutCpus, tooFewCpus } from '../../errors/threads.js'
import { type CpuSet, formatCpuSet } from '../../units/cpu-set.js'
import { type CpuContext, chosenCpus, obstaclesToChoice } from './cpu-choice.js'
import { type HandOut, sorted } from './hand-out.js'
import { describeObstacles } from './obstacles.js'
import { realtimeVcpus } from './realtime-mask.js'
import { isRealtime, type VcpuSetting } from './thread-plan.js'

const KEY = ['vcpus']

/**
 * CPUs and policy of each vCPU. A list, `realtime` and `auto` give each vCPU one CPU of its own, in
 * the order of the list (`auto`: core by core, and for each NUMA node of the guest by itself); `housekeeping` lets all of
 * them share the set.
 * @param count vCPUs that the guest may have
 * @param groups the guest's NUMA nodes
 * @throws {UserError} exit 69 for fewer CPUs than vCPUs, 78 for a real-time vCPU without CPUs
 */
export function planVcpus(
  profile: VcpuProfile,
  count: number,
  context: CpuContext,
  handOut: HandOut,
  groups: readonly VcpuGroup[],
): VcpuSetting[] {
  const realtime = isRealtime(profile) ? realtimeVcpus(profile.realtimeMask, count) : []
  const where = () => context.policy.place(['profile', context.profile, ...KEY])
  if (isRealtime(profile) && realtime.length === 0) {
    throw noRealtimeVcpu({ mask: profile.realtimeMask ?? '', vcpus: count, where: where() })
  }
  const cpusOf = placeVcpus(profile, count, context, handOut, groups)
  const bestEffort = { policy: null, priority: null }
  return Array.from({ length: count }, (_, vcpu) => {
    const { policy, priority } = !isRealtime(profile) || realtime.includes(vcpu) ? profile : bestEffort
    const cpus = cpusOf(vcpu)
    if (cpus === null && isRealtime({ policy })) throw realtimeWithoutCpus({ vcpu, where: where() })
    return { vcpu, cpus, policy, priority }
  })
}

/** vCPUs that belong together, and the host's NUMA nodes for them, the best first. */
export interface VcpuGroup {
  readonly id: number
  readonly vcpus: readonly number[]
  readonly nodes: readonly number[]
}

function placeVcpus(
  { cpus: choice, isolatesCores }: VcpuProfile,
  count: number,
  context: CpuContext,
  handOut: HandOut,
  groups: readonly VcpuGroup[],
): (vcpu: number) => CpuSet | null {
  if (choice === null) return () => null
  if (isTable(choice)) {
    return (vcpu) => {
      const cpus = choice[vcpu]
      return cpus === undefined ? null : chosenCpus(cpus, [...KEY, 'cpus', String(vcpu)], context)
    }
  }
  if (choice === 'auto') {
    const placed = new Map(groups.flatMap((group) => handOutTo(group, groups.length, isolatesCores, handOut)))
    return (vcpu) => placed.get(vcpu) ?? null
  }
  const cpus = chosenCpus(choice, [...KEY, 'cpus'], context)
  if (choice === 'housekeeping') return () => cpus
  if (cpus.length < count) {
    throw tooFewCpus({
      vcpus: count,
      cpus: formatCpuSet(sorted(cpus)),
      obstacles: describeObstacles(obstaclesToChoice(choice, context)),
      where: context.policy.place(['profile', context.profile, ...KEY, 'cpus']),
    })
  }
  return (vcpu) => cpus.slice(vcpu, vcpu + 1)
}

function handOutTo(
  { id, vcpus, nodes }: VcpuGroup,
  groups: number,
  isolatesCores: boolean,
  handOut: HandOut,
): [vcpu: number, cpus: CpuSet][] {
  if (vcpus.length === 0) return []
  const what = groups > 1 ? `vCPUs of guest node ${id}` : 'vCPUs'
  const cpus = handOut.take(vcpus.length, { what, key: KEY }, { nodes, isolatesCores })
  return vcpus.map((vcpu, index) => [vcpu, cpus.slice(index, index + 1)])
}

function isTable(
  choice: CpuChoice | Readonly<Record<number, CpuSet>>,
): choice is Readonly<Record<number, CpuSet>> {
  return typeof choice === 'object' && !Array.isArray(choice)
}
