import type { Policy } from '../../config/policy.js'
import { nicUnknown } from '../../errors/nics.js'
import type { PciDevice } from '../../host/facts.js'
import { type FoundNic, findNic } from '../../plan/nics/find.js'
import type { KnownHost } from '../../plan/nics/known-host.js'
import { nearAddress } from '../../plan/nics/near.js'
import { parsePciAddress } from '../../units/pci-address.js'

/**
 * What a person means by a NIC's name, or by a PCI address.
 * @throws {UserError} exit 69 when there is no such device, or several without `pool`
 */
export function findByNameOrAddress(name: string, policy: Policy, host: KnownHost): FoundNic {
  const { pci } = host
  const address = Object.hasOwn(policy.nics, name) ? null : parsePciAddress(name)
  if (address === null) return findNic(name, policy, host)
  const device = pci.find((one) => one.address === address)
  if (device !== undefined) return { name, pool: false, devices: [device], place: null }
  const looked = `${pci.length} PCI devices`
  throw nicUnknown({ name, near: nearAddress(address, host), looked, config: null })
}

/** The devices that a person means, see `findByNameOrAddress`. */
export function devicesNamed(name: string, policy: Policy, host: KnownHost): readonly PciDevice[] {
  return findByNameOrAddress(name, policy, host).devices
}
