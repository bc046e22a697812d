import type { InterruptPolicy, Policy, Profile } from '../config/policy.js'
import { cpusOffline, hostSetMissing, noVcpuCpus, switchCpusTaken, unknownCpus } from '../errors/threads.js'
import type { HostCpus } from '../host/facts.js'
import {
  type CpuSet,
  formatCpuSet,
  intersectCpuSets,
  subtractCpuSets,
  unionCpuSets,
} from '../units/cpu-set.js'
import type { PciAddress } from '../units/pci-address.js'
import { isRealtime, type ThreadPlan } from './threads/thread-plan.js'

/** What the interrupts of one device are to get; null leaves that as it is. */
export interface InterruptSetting {
  readonly address: PciAddress
  readonly cpus: CpuSet | null
  /** Of their threads, where the kernel has some: FIFO, 1 to 99. */
  readonly priority: number | null
}

/** A device that a VM is given, and the name that it was asked for by. */
export interface GivenDevice {
  readonly name: string | null
  readonly address: PciAddress
}

export interface InterruptInput {
  readonly devices: readonly GivenDevice[]
  readonly policy: Policy
  readonly profile: { readonly name: string; readonly settings: Profile } | null
  /** What was planned for the VM's threads. */
  readonly threads: ThreadPlan | null
  /** null when the host is not known: then nothing is checked against it. */
  readonly cpus: HostCpus | null
}

/** Whether a configuration says anything of interrupts, for a VM of this profile. */
export function saysInterrupts({ nics }: Policy, profile: InterruptInput['profile']): boolean {
  return (
    profile?.settings.interrupts != null || Object.values(nics).some(({ interrupts }) => interrupts !== null)
  )
}

/**
 * Says where the interrupts of a VM's devices go. A NIC's own entry goes before the profile, key by key.
 * @returns one entry a device of which something is said, in the order of the devices
 * @throws {UserError} exit 78 for CPUs that the host does not have or the switch has, a set that [host] does not define, or
 *   `vcpu` without CPUs for vCPUs; 69 for CPUs that are offline
 */
export function planInterrupts(input: InterruptInput): InterruptSetting[] {
  const { devices, policy, profile } = input
  const given = new Map(devices.map(({ address }) => [address, null as string | null]))
  for (const { address, name } of devices) if (name !== null) given.set(address, name)
  return [...given].flatMap(([address, name]) => {
    const own = name !== null && Object.hasOwn(policy.nics, name) ? policy.nics[name]?.interrupts : null
    const general = profile?.settings.interrupts
    const isOwn = own?.cpus != null
    const path = isOwn ? ['nic', name ?? ''] : ['profile', profile?.name ?? '']
    const choice = own?.cpus ?? general?.cpus ?? null
    const cpus = choice === null ? null : cpusFor(choice, [...path, 'interrupts', 'cpus'], input)
    const priority = own?.priority ?? general?.priority ?? null
    return cpus === null && priority === null ? [] : [{ address, cpus, priority }]
  })
}

function cpusFor(
  choice: NonNullable<InterruptPolicy['cpus']>,
  path: readonly string[],
  { policy, threads, cpus: host }: InterruptInput,
): CpuSet {
  const where = () => policy.place(path)
  if (choice === 'vcpu') {
    const cpus = unionCpuSets(...(threads?.vcpus ?? []).map((vcpu) => vcpu.cpus ?? []))
    if (cpus.length === 0) throw noVcpuCpus({ where: where() })
    return cpus
  }
  const wanted = choice === 'housekeeping' ? policy.host.housekeeping : choice
  if (wanted === null) throw hostSetMissing({ set: 'housekeeping', where: where() })
  const taken = formatCpuSet(intersectCpuSets(wanted, policy.host.switch ?? []))
  if (taken !== '') throw switchCpusTaken({ what: 'an interrupt', cpus: taken, where: where() })
  if (host === null) return wanted
  const absent = subtractCpuSets(wanted, host.present)
  if (absent.length > 0) {
    throw unknownCpus({ cpus: formatCpuSet(absent), present: formatCpuSet(host.present), where: where() })
  }
  const online = intersectCpuSets(wanted, host.online)
  const isEnough = choice === 'housekeeping' ? online.length > 0 : online.length === wanted.length
  if (!isEnough) {
    const offline = formatCpuSet(subtractCpuSets(wanted, online))
    throw cpusOffline({ cpus: offline, where: where(), smt: host.smt })
  }
  return online
}

/**
 * Warns of interrupts on real-time CPUs that are none of this VM's, where they preempt what another VM will have there,
 * and of threads of interrupts that a vCPU keeps from running: on its CPU, and not before it (sched(7)).
 * @param threads null when the plan says nothing of the VM's threads
 * @param realtime of `[host]`; null when it names none
 */
export function interruptWarnings(
  settings: readonly InterruptSetting[],
  threads: ThreadPlan | null,
  realtime: CpuSet | null,
): string[] {
  const vcpus = threads?.vcpus ?? []
  const own = unionCpuSets(...vcpus.map(({ cpus }) => cpus ?? []))
  const foreign = settings.flatMap(({ address, cpus }) => {
    const others = formatCpuSet(subtractCpuSets(intersectCpuSets(cpus ?? [], realtime ?? []), own))
    if (others === '') return []
    return [
      `the interrupts of ${address} go to real-time CPU ${others}, which this VM's vCPUs do not have: they preempt any VM that runs ` +
        'there; write cpus = "housekeeping" or "vcpu" for interrupts',
    ]
  })
  const waiting = settings.flatMap(({ address, cpus, priority }) => {
    const vcpu = vcpus.find(
      (one) =>
        isRealtime(one) &&
        priority !== null &&
        priority <= (one.priority ?? 0) &&
        intersectCpuSets(one.cpus ?? [], cpus ?? []).length > 0,
    )
    if (vcpu === undefined) return []
    return [
      `the interrupts of ${address} get priority ${priority} on CPU ${formatCpuSet(vcpu.cpus ?? [])}, where vCPU ${vcpu.vcpu} has ` +
        `${vcpu.priority}: a vCPU that is busy keeps them waiting; give interrupts a higher priority, or other CPUs`,
    ]
  })
  return [...foreign, ...waiting]
}
