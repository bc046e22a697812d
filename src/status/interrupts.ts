import { isRealtime } from '../plan/threads/thread-plan.js'
import {
  type CpuSet,
  formatCpuSet,
  intersectCpuSets,
  subtractCpuSets,
  unionCpuSets,
} from '../units/cpu-set.js'
import type { PciAddress } from '../units/pci-address.js'
import type { DeviceInterrupts, Snapshot, VmSnapshot } from './snapshot.js'

/** The interrupts of one device of a VM, as `status` shows them. */
export interface InterruptStatus {
  readonly address: PciAddress
  /** The name that the VM has the device by. */
  readonly name: string | null
  readonly numbers: readonly number[]
  /** Where they go now. */
  readonly cpus: CpuSet
  /** Since they were made. */
  readonly count: number
  /** Since the snapshot before; null when there was none. */
  readonly newCount: number | null
  /** What the record says; null when that is nothing. */
  readonly wanted: CpuSet | null
  /** What is not as it should be, in words; null when all is well. */
  readonly trouble: string | null
}

/** What becomes of a VM's devices' interrupts. @param earlier the same VM in the snapshot before */
export function interruptStatuses(
  now: Snapshot,
  { plan, pid, interrupts = [] }: VmSnapshot,
  earlier: VmSnapshot | undefined,
): InterruptStatus[] {
  if (interrupts.length === 0) return []
  const promised = realtimeCpus(now, pid)
  return interrupts.map(({ address, all }) => {
    const wanted = plan.interrupts?.find((one) => one.address === address)?.cpus ?? null
    const cpus = unionCpuSets(...all.map((one) => one.cpus))
    const past = earlier?.interrupts?.find((one) => one.address === address)
    return {
      address,
      name: plan.nics.find((nic) => nic.address === address)?.name ?? null,
      numbers: all.map(({ irq }) => irq),
      cpus,
      count: sumOf(all),
      newCount: earlier === undefined ? null : newOnes(all, past?.all ?? []),
      wanted,
      trouble: troubleOf(cpus, wanted, promised),
    }
  })
}

function sumOf(all: DeviceInterrupts['all']): number {
  return all.reduce((sum, { count }) => sum + count, 0)
}

/** One that was made anew begins at nothing, or where another one of the number had ended. */
function newOnes(all: DeviceInterrupts['all'], past: DeviceInterrupts['all']): number {
  const known = new Map(past.map(({ irq, count }) => [irq, count]))
  return all.reduce((sum, { irq, count }) => {
    const before = known.get(irq) ?? 0
    return sum + (count < before ? count : count - before)
  }, 0)
}

/** CPUs that an interrupt takes time of that was promised to a vCPU. */
interface RealtimeCpus {
  readonly own: CpuSet
  readonly others: readonly { readonly label: string; readonly cpus: CpuSet }[]
}

function realtimeCpus({ vms, sets }: Snapshot, pid: number): RealtimeCpus {
  const of = ({ plan }: VmSnapshot) =>
    unionCpuSets(...(plan.threads?.vcpus ?? []).filter(isRealtime).map(({ cpus }) => cpus ?? []))
  const own = vms.filter((vm) => vm.pid === pid).map(of)
  return {
    own: unionCpuSets(...own, sets.realtime ?? []),
    others: vms.flatMap((vm) =>
      vm.pid === pid ? [] : [{ label: vm.plan.guest.name ?? `PID ${vm.pid}`, cpus: of(vm) }],
    ),
  }
}

function troubleOf(cpus: CpuSet, wanted: CpuSet | null, { own, others }: RealtimeCpus): string | null {
  const theirs = others.flatMap(({ label, cpus: taken }) => {
    const shared = intersectCpuSets(cpus, taken)
    return shared.length === 0 ? [] : [`on CPU ${formatCpuSet(shared)}, a real-time vCPU's of ${label}`]
  })
  if (theirs.length > 0) return theirs.join(', and ')
  const ours = subtractCpuSets(intersectCpuSets(cpus, own), wanted ?? [])
  if (ours.length > 0) return `on real-time CPU ${formatCpuSet(ours)}`
  const elsewhere = wanted === null ? [] : subtractCpuSets(cpus, wanted)
  return elsewhere.length === 0 ? null : `on CPU ${formatCpuSet(elsewhere)}, elsewhere than planned`
}
