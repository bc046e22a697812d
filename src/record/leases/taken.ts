import { groupMembers } from '../../host/pci.js'
import { openSysroot } from '../../host/sysroot.js'
import { type HeldLease, holderOfCpus, holderOfNic, type Lease } from '../../plan/leases.js'

/** Whether one of the holders has something of what was chosen, or a device of an IOMMU group of it. */
export function isTaken(sysroot: string, { nics, cpus }: Lease, holders: readonly HeldLease[]): boolean {
  const root = openSysroot(sysroot)
  const exclusive = nics.flatMap((nic) => [nic, ...groupMembers(root, nic)])
  return (
    holderOfCpus(holders, cpus) !== null || exclusive.some((nic) => holderOfNic(holders, nic) !== undefined)
  )
}
