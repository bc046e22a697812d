import type { CpuChoice, VcpuProfile } from '../../config/policy.js'
import { noRealtimeVcpu, type Pluggable, realtimeWithoutCpus, tooFewCpus } from '../../errors/threads.js'
import { type CpuSet, formatCpuSet, unionCpuSets } from '../../units/cpu-set.js'
import { type CpuContext, chosenCpus, obstaclesToChoice } from './cpu-choice.js'
import type { HandOut, Purpose, Wish } from './hand-out.js'
import { describeObstacles } from './obstacles.js'
import { realtimeVcpus } from './realtime-mask.js'
import type { VcpuCount } from './smp.js'
import { isRealtime, type VcpuSetting } from './thread-plan.js'

const KEY = ['vcpus']

/** Which vCPUs get CPUs now. */
export interface WantedVcpus {
  /** Ascending. */
  readonly numbers: readonly number[]
  /** How many the guest may have, with those that are plugged later. */
  readonly possible: number
  /** For messages; null when there are none that are plugged later, or none of them is wanted now. */
  readonly pluggable: Pluggable | null
}

/**
 * The vCPUs of a guest that get CPUs without being plugged.
 * @param running those that are there; none for a guest that is still to be started
 */
export function vcpusToPlan(
  { hotplug }: VcpuProfile,
  { present, numbers, possible }: VcpuCount,
  running: readonly number[] = [],
): WantedVcpus {
  const first = (count: number) => Array.from({ length: count }, (_, vcpu) => vcpu)
  const isAll = hotplug === 'lease'
  const there = running.filter((vcpu) => vcpu < possible).sort((a, b) => a - b)
  return {
    numbers: isAll ? first(possible) : there.length > 0 ? there : numbers,
    possible,
    pluggable: isAll && possible > present ? { present, possible } : null,
  }
}

/**
 * CPUs and policy of vCPUs. A list, `realtime` and `auto` give each vCPU one CPU of its own, in the order of the list (`auto`: core
 * by core, and for each NUMA node of the guest by itself); `housekeeping` lets all of them share the set.
 * @param wanted the vCPUs that get theirs, ascending, of those that the guest may have
 * @param groups the guest's NUMA nodes
 * @throws {UserError} exit 69 for fewer CPUs than vCPUs, 78 for a real-time vCPU without CPUs
 */
export function planVcpus(
  profile: VcpuProfile,
  wanted: WantedVcpus,
  context: CpuContext,
  handOut: HandOut,
  groups: readonly VcpuGroup[],
): VcpuSetting[] {
  const { numbers, possible } = wanted
  const realtime = new Set(isRealtime(profile) ? realtimeVcpus(profile.realtimeMask, possible) : [])
  const where = () => context.policy.place(['profile', context.profile, ...KEY])
  if (isRealtime(profile) && realtime.size === 0) {
    throw noRealtimeVcpu({ mask: profile.realtimeMask ?? '', vcpus: possible, where: where() })
  }
  const cpusOf = placeVcpus(profile, wanted, context, handOut, groups)
  // Said, so that one which was real-time by another mask is no more. One that is best-effort already is left alone.
  const bestEffort = { policy: 'other', priority: null } as const
  return numbers.map((vcpu) => {
    const { policy, priority } = !isRealtime(profile) || realtime.has(vcpu) ? profile : bestEffort
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
  profile: VcpuProfile,
  { numbers, pluggable }: WantedVcpus,
  context: CpuContext,
  handOut: HandOut,
  groups: readonly VcpuGroup[],
): (vcpu: number) => CpuSet | null {
  const { cpus: choice, isolatesCores } = profile
  if (choice === null) return () => null
  if (isTable(choice)) {
    return (vcpu) => {
      const cpus = choice[vcpu]
      return cpus === undefined ? null : chosenCpus(cpus, [...KEY, 'cpus', String(vcpu)], context)
    }
  }
  if (choice === 'auto') {
    const now = new Set(numbers)
    const wanted = groups.map((group) => ({ ...group, vcpus: group.vcpus.filter((vcpu) => now.has(vcpu)) }))
    const purpose = { what: 'vCPUs', key: KEY, pluggable }
    const wish = { isolatesCores, prefersIsolated: isRealtime(profile) }
    const placed = new Map(wanted.flatMap((group) => handOutTo(group, wanted.length, purpose, wish, handOut)))
    return (vcpu) => placed.get(vcpu) ?? null
  }
  const cpus = chosenCpus(choice, [...KEY, 'cpus'], context)
  if (choice === 'housekeeping') return () => cpus
  const most = 1 + Math.max(...numbers)
  if (cpus.length < most) {
    throw tooFewCpus({
      vcpus: most,
      pluggable,
      cpus: formatCpuSet(unionCpuSets(cpus)),
      obstacles: describeObstacles(obstaclesToChoice(choice, context)),
      where: context.policy.place(['profile', context.profile, ...KEY, 'cpus']),
    })
  }
  return (vcpu) => cpus.slice(vcpu, vcpu + 1)
}

function handOutTo(
  { id, vcpus, nodes }: VcpuGroup,
  groups: number,
  purpose: Purpose,
  wish: Omit<Wish, 'nodes'>,
  handOut: HandOut,
): [vcpu: number, cpus: CpuSet][] {
  if (vcpus.length === 0) return []
  const what = groups > 1 ? `vCPUs of guest node ${id}` : purpose.what
  const cpus = handOut.take(vcpus.length, { ...purpose, what }, { nodes, ...wish })
  return vcpus.map((vcpu, index) => [vcpu, cpus.slice(index, index + 1)])
}

function isTable(
  choice: CpuChoice | Readonly<Record<number, CpuSet>>,
): choice is Readonly<Record<number, CpuSet>> {
  return typeof choice === 'object' && !Array.isArray(choice)
}
