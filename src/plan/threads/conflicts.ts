import { cpusHeld, realtimeOnReservedCpu, realtimeShared, switchCpusTaken } from '../../errors/threads.js'
import { type CpuSet, formatCpuSet, intersectCpuSets, unionCpuSets } from '../../units/cpu-set.js'
import { describeHolder, type HeldLease, heldByVms, holderOfCpus } from '../leases.js'
import type { CpuContext } from './cpu-choice.js'
import { isRealtime, type ThreadPlan, type ThreadSetting, type VcpuSetting } from './thread-plan.js'

/** A kind of thread with its CPUs, and the profile's key that gave them. */
interface Placed {
  readonly what: string
  readonly cpus: CpuSet
  readonly key: readonly string[]
  readonly setting: ThreadSetting | null
}

/**
 * Refuses what must never be: a real-time vCPU where QEMU's other threads run (it would starve the main loop that it
 * waits for), on a housekeeping CPU or with another real-time vCPU; a best-effort vCPU that has no CPU beside those of
 * real-time vCPUs, for which the guest waits, too; any thread of a VM on a switch CPU.
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
  // The real-time vCPU of each CPU.
  const owners = new Map<number, Placed>()
  for (const one of realtime) {
    const { what, cpus, key } = one
    const busy = intersectCpuSets(cpus, policy.host.housekeeping ?? [])
    if (busy.length > 0) throw realtimeOnReservedCpu({ what, cpus: formatCpuSet(busy), where: where(key) })
    const own = new Set(cpus)
    const earlier = cpus.flatMap((cpu) => owners.get(cpu) ?? []).slice(0, 1)
    for (const other of [...others, ...earlier]) {
      const shared = other.cpus.filter((cpu) => own.has(cpu))
      if (shared.length === 0) continue
      throw realtimeShared({ what, other: other.what, cpus: formatCpuSet(shared), where: where(key) })
    }
    for (const cpu of cpus) owners.set(cpu, one)
  }
  for (const { what: other, cpus, key, vcpu } of vcpus) {
    const [first] = cpus
    const owner = first === undefined || isRealtime(vcpu) ? undefined : owners.get(first)
    // With other CPUs besides, `setWarnings` says so.
    if (owner === undefined || !cpus.every((cpu) => owners.has(cpu))) continue
    const shared = intersectCpuSets(cpus, owner.cpus)
    throw realtimeShared({ what: owner.what, other, cpus: formatCpuSet(shared), where: where(key) })
  }
}

/** @throws {UserError} exit 69 when another VM has one of the CPUs of real-time vCPUs */
export function checkHeld(realtime: CpuSet, held: readonly HeldLease[], context: CpuContext): void {
  refuseHeld(null, realtime, ['vcpus'], held, context)
}

/**
 * Refuses real-time threads other than vCPUs where another VM has all their CPUs. With others besides, `heldWarnings` says so.
 * @throws {UserError} exit 69
 */
export function checkOthersHeld(plan: ThreadPlan, held: readonly HeldLease[], context: CpuContext): void {
  const vms = heldByVms(held)
  const ofVms = new Set(vms.flatMap((vm) => vm.cpus))
  for (const { what, cpus, key, setting } of otherThreads(plan)) {
    if (setting === null || !isRealtime(setting) || !cpus.every((cpu) => ofVms.has(cpu))) continue
    refuseHeld(`${what} at ${setting.policy} ${setting.priority}`, cpus, key, vms, context)
  }
}

function refuseHeld(
  what: string | null,
  cpus: CpuSet,
  key: readonly string[],
  held: readonly HeldLease[],
  { policy, profile }: CpuContext,
): void {
  const conflict = holderOfCpus(held, cpus)
  if (conflict === null) return
  const where = policy.place(['profile', profile, ...key])
  throw cpusHeld({ what, cpus: formatCpuSet(conflict.cpus), holder: describeHolder(conflict.lease), where })
}

/** Warns of threads that may run on a CPU that another VM holds: of each kind and VM once. */
export function heldWarnings(plan: ThreadPlan, held: readonly HeldLease[]): string[] {
  const vms = heldByVms(held)
  const { vcpus, iothreads, emulator, workers, vhost, contexts } = plan
  const others: readonly [what: string, settings: readonly (ThreadSetting | null)[]][] = [
    ['emulator threads', [emulator]],
    ['I/O threads', iothreads],
    ['worker threads', [workers]],
    ['vhost threads', [vhost]],
    ['thread contexts', [contexts ?? null]],
  ]
  return vms.flatMap((vm) => {
    const theirs = new Set(vm.cpus)
    const there = ({ cpus }: ThreadSetting) => (cpus ?? []).filter((cpu) => theirs.has(cpu))
    const own = vcpus.filter((vcpu) => there(vcpu).length > 0)
    const kinds = [[`vCPU ${formatCpuSet(own.map(({ vcpu }) => vcpu))}`, own] as const, ...others]
    return kinds.flatMap(([what, settings]) => {
      const shared = unionCpuSets(settings.flatMap((one) => (one === null ? [] : there(one))))
      if (shared.length === 0) return []
      return [
        `${what} may run on CPU ${formatCpuSet(shared)}, which ${describeHolder(vm)} holds for itself: a real-time vCPU ` +
          'there starves other threads; choose other CPUs',
      ]
    })
  })
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
  return { what, cpus: setting?.cpus ?? [], key, setting }
}
