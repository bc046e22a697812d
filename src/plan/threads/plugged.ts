import type { Policy } from '../../config/policy.js'
import type { HostCpus } from '../../host/facts.js'
import type { VmRecord } from '../../record/vm.js'
import { type CpuSet, subtractCpuSets, unionCpuSets } from '../../units/cpu-set.js'
import type { HeldLease } from '../leases.js'
import type { PassInput } from '../pass.js'
import { nodeOf } from './auto.js'
import { checkConflicts, checkHeld } from './conflicts.js'
import { makeHandOut, namedChoices } from './hand-out.js'
import { nearestFirst } from './preferred-nodes.js'
import { isRealtime, type ThreadPlan } from './thread-plan.js'
import { planVcpus } from './vcpus.js'

/** vCPUs that have come and gone since a VM's threads were planned. */
export interface Changed {
  /** Ascending. */
  readonly plugged: readonly number[]
  readonly unplugged: readonly number[]
}

/**
 * Compares a VM's record with the vCPUs that run. The ones from its start are not given up: they may not be there yet.
 * @param there numbers of vCPUs, as QEMU's threads have them: those beyond `maxcpus` are not believed
 * @param threads CPUs of each of QEMU's threads, as the kernel has them: a vCPU whose CPUs one of them is kept on has not gone,
 *   whatever QEMU calls that thread
 * @returns null when the plan is of these, or all vCPUs have had their CPUs from the start
 */
export function changedVcpus(
  { threads: plan, vcpusAtStart, maxcpus }: Pick<VmRecord, 'threads' | 'vcpusAtStart' | 'maxcpus'>,
  there: readonly number[],
  threads: readonly CpuSet[],
): Changed | null {
  if (maxcpus === null) return null
  const vcpus = plan?.vcpus ?? []
  const planned = vcpus.map(({ vcpu }) => vcpu)
  const isKept = (cpus: CpuSet) =>
    threads.some((thread) => thread.length > 0 && subtractCpuSets(thread, cpus).length === 0)
  const plugged = unionCpuSets(there.filter((vcpu) => vcpu < maxcpus && !planned.includes(vcpu)))
  const gone = vcpus.filter(
    ({ vcpu, cpus }) => vcpu >= vcpusAtStart && !there.includes(vcpu) && !isKept(cpus ?? []),
  )
  const unplugged = gone.map(({ vcpu }) => vcpu)
  return plugged.length + unplugged.length === 0 ? null : { plugged, unplugged }
}

/** What a plan for plugged vCPUs is made from. */
export interface PluggedInput {
  readonly record: Pick<VmRecord, 'threads' | 'lease' | 'maxcpus'>
  readonly changed: Changed
  readonly policy: Policy
  readonly profile: NonNullable<PassInput['profile']>
  readonly cpus: HostCpus | null
  /** What other VMs hold. */
  readonly held: readonly HeldLease[]
}

/**
 * Gives CPUs and policies to vCPUs that were plugged, out of what is free now and on the nodes of the others first, and lets
 * those of unplugged ones go. All other threads keep theirs.
 * @returns null when the profile does not have `hotplug = "later"`
 * @throws {UserError} as `planThreads`
 */
export function planPlugged(
  input: PluggedInput,
): { readonly threads: ThreadPlan; readonly leased: CpuSet } | null {
  const { record, changed, policy, profile, held } = input
  const { vcpus } = profile.settings
  if (record.threads === null || record.maxcpus === null || vcpus?.hotplug !== 'later') return null
  const kept = record.threads.vcpus.filter(({ vcpu }) => !changed.unplugged.includes(vcpu))
  const used = kept.flatMap(({ cpus }) => cpus ?? [])
  const released = record.threads.vcpus.flatMap(({ cpus }) => cpus ?? [])
  const own = subtractCpuSets(record.lease?.cpus ?? [], subtractCpuSets(unionCpuSets(released), used))
  const context = { policy, cpus: input.cpus, profile: profile.name }
  const near = unionCpuSets(used.map((cpu) => nodeOf(cpu, input.cpus?.nodes ?? {})))
  const nodes = nearestFirst(near, input.cpus)
  const handOut = makeHandOut(
    context,
    held,
    [...namedChoices(profile.settings), unionCpuSets([...own, ...used])],
    nodes,
  )
  const wanted = { numbers: changed.plugged, possible: record.maxcpus, pluggable: null }
  const groups = [{ id: 0, vcpus: changed.plugged, nodes }]
  const settings = changed.plugged.length === 0 ? [] : planVcpus(vcpus, wanted, context, handOut, groups)
  const all = [...kept, ...settings].sort((a, b) => a.vcpu - b.vcpu)
  const threads = { ...record.threads, vcpus: all }
  checkConflicts(threads, context)
  const realtime = settings.filter(isRealtime).flatMap(({ cpus }) => cpus ?? [])
  checkHeld(realtime, held, context)
  return { threads, leased: unionCpuSets([...own, ...realtime, ...handOut.given()]) }
}
