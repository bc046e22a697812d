import { type CpuSet, intersectCpuSets } from '../units/cpu-set.js'
import type { PciAddress } from '../units/pci-address.js'

/** What another VM holds on this host. */
export interface HeldLease {
  readonly guest: string | null
  /** The VM's QEMU, or the launcher that is about to become it; 0 when it is not known. */
  readonly pid: number
  /** The guest's UUID, when libvirt's hook holds it and no lease. */
  readonly uuid?: string
  readonly nics: readonly PciAddress[]
  readonly cpus: CpuSet
}

/** Who holds a NIC; undefined when nobody does. */
export function holderOfNic(held: readonly HeldLease[], address: PciAddress): HeldLease | undefined {
  return held.find(({ nics }) => nics.includes(address))
}

/** Who holds one of these CPUs, and which of them. */
export function holderOfCpus(held: readonly HeldLease[], cpus: CpuSet) {
  for (const lease of held) {
    const shared = intersectCpuSets(cpus, lease.cpus)
    if (shared.length > 0) return { lease, cpus: shared }
  }
  return null
}

/** A holder in a message: `guest 'plc-1' (PID 4711)`. */
export function describeHolder({ guest, pid }: HeldLease): string {
  const who = guest === null ? 'a guest without a name' : `guest '${guest}'`
  return pid === 0 ? who : `${who} (PID ${pid})`
}
