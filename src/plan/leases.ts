import { type CpuSet, formatCpuSet, intersectCpuSets } from '../units/cpu-set.js'
import type { PciAddress } from '../units/pci-address.js'

/** What no other VM may have while one runs. */
export interface Lease {
  readonly nics: readonly PciAddress[]
  readonly cpus: CpuSet
}

/** Writes a lease as the plan's JSON has it. */
export function leaseToJson({ nics, cpus }: Lease): object {
  return { nics, cpus: formatCpuSet(cpus) }
}

/** What another VM holds on this host. */
export interface HeldLease extends Lease {
  readonly guest: string | null
  /** The VM's QEMU, or the launcher that is about to become it; 0 when it is not known. */
  readonly pid: number
  /** The id of root's record that says so; undefined for a user's lease. */
  readonly record?: string
}

/** Holders by NIC: a pool asks for one of its NICs after the other. */
const byNic = new WeakMap<readonly HeldLease[], ReadonlyMap<PciAddress, HeldLease>>()

/** Who holds a NIC; undefined when nobody does. */
export function holderOfNic(held: readonly HeldLease[], address: PciAddress): HeldLease | undefined {
  let holders = byNic.get(held)
  if (holders === undefined) {
    holders = holdersOfNics(held)
    byNic.set(held, holders)
  }
  return holders.get(address)
}

function holdersOfNics(held: readonly HeldLease[]): Map<PciAddress, HeldLease> {
  const holders = new Map<PciAddress, HeldLease>()
  for (const lease of held) {
    // The first of several counts.
    for (const nic of lease.nics) if (!holders.has(nic)) holders.set(nic, lease)
  }
  return holders
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
