import type { PciDevice } from '../host/facts.js'
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
  /** No VM has it: what is chosen, and real-time vCPUs, are to be kept away from its CPUs. */
  readonly isWish?: true
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

/** What another VM holds that keeps a device from being opened: the device, or another one of its IOMMU group. */
export interface Holding {
  readonly lease: HeldLease
  readonly address: PciAddress
}

/** A device with its IOMMU group. */
export type Grouped = Pick<PciDevice, 'address' | 'iommuGroup'>

/**
 * Who keeps a device from being opened; undefined when nobody does. The kernel gives an IOMMU group to one process: its
 * node is opened once (Linux drivers/vfio/group.c, vfio_group_fops_open: EBUSY), and with iommufd all devices of a group
 * belong to one iommufd (drivers/iommu/iommufd/device.c, iommufd_device_bind; drivers/iommu/iommu.c,
 * iommu_device_claim_dma_owner: EPERM).
 */
export function holdingOf(
  held: readonly HeldLease[],
  { address, iommuGroup }: Grouped,
  pci: readonly Grouped[],
): Holding | undefined {
  const own = holderOfNic(held, address)
  if (own !== undefined) return { lease: own, address }
  for (const member of iommuGroup === null ? [] : (groupsOf(pci).get(iommuGroup) ?? [])) {
    const lease = holderOfNic(held, member)
    if (lease !== undefined) return { lease, address: member }
  }
  return undefined
}

const byGroup = new WeakMap<readonly Grouped[], ReadonlyMap<number, readonly PciAddress[]>>()

function groupsOf(pci: readonly Grouped[]): ReadonlyMap<number, readonly PciAddress[]> {
  const known = byGroup.get(pci)
  if (known !== undefined) return known
  const groups = new Map<number, PciAddress[]>()
  for (const { address, iommuGroup } of pci) {
    if (iommuGroup === null) continue
    const members = groups.get(iommuGroup)
    if (members === undefined) groups.set(iommuGroup, [address])
    else members.push(address)
  }
  byGroup.set(pci, groups)
  return groups
}

/**
 * Why a device cannot be had: `is held by guest 'plc-0'`, `is in IOMMU group 13, of which guest 'plc-0' has 0000:03:00.2`.
 * @param verb for the device itself
 */
export function describeHolding(
  { lease, address }: Holding,
  device: Grouped,
  verb: 'held' | 'taken' = 'held',
): string {
  const holder = describeHolder(lease)
  if (address === device.address) return `is ${verb} by ${holder}`
  return `is in IOMMU group ${device.iommuGroup}, of which ${holder} has ${address}`
}

/** What VMs hold, without wishes. */
export function heldByVms(held: readonly HeldLease[]): HeldLease[] {
  return held.filter(({ isWish }) => isWish !== true)
}

/** The CPUs that other VMs hold. */
export function cpusOfVms(held: readonly HeldLease[]): CpuSet {
  return heldByVms(held).flatMap(({ cpus }) => cpus)
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
