import type { Policy } from '../../config/policy.js'
import { nicUnknown } from '../../errors/nics.js'
import type { HostFacts, PciDevice } from '../../host/facts.js'
import { findNic } from '../../plan/nics/find.js'
import { parsePciAddress } from '../../units/pci-address.js'

/**
 * The devices that a person means: those of a NIC's name or pool, or the one at a PCI address.
 * @throws {UserError} exit 69 when there is none, or several without `pool`
 */
export function devicesNamed(name: string, policy: Policy, { pci }: HostFacts): readonly PciDevice[] {
  const address = Object.hasOwn(policy.nics, name) ? null : parsePciAddress(name)
  if (address === null) return findNic(name, policy, pci).devices
  const device = pci.find((one) => one.address === address)
  if (device !== undefined) return [device]
  const looked = `${pci.length} PCI devices`
  throw nicUnknown({ name, known: pci.map((one) => one.address), looked, config: policy.place([]) })
}
