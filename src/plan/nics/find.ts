import type { NicSelector, Policy } from '../../config/policy.js'
import { nicAmbiguous, nicMatchesNothing, nicUnknown } from '../../errors/nics.js'
import type { PciDevice } from '../../host/facts.js'
import { describeDevices, isNetworkDevice } from './describe.js'
import { isOnVfio } from './readiness.js'
import { describeSelector, selectDevices, selectorOfName } from './select.js'

/** What a NIC's name stands for: one device, or with `pool` several of which any will do. */
export interface FoundNic {
  readonly name: string
  readonly pool: boolean
  /** One device without `pool`; one or more with it. */
  readonly devices: readonly PciDevice[]
  /** Says where the configuration has the name; null when it has not. Finding the line takes time: for messages only. */
  readonly place: (() => string) | null
}

/**
 * Looks a NIC's name up: in the configuration, else among this host's interfaces, altnames and MAC addresses.
 * @throws {UserError} exit 69 when nothing matches, or several devices do without `pool`
 */
export function findNic(name: string, policy: Policy, pci: readonly PciDevice[]): FoundNic {
  const configured = policy.nics[name]
  if (configured === undefined) return findUnconfigured(name, policy, pci)
  const place = () => policy.place(['nic', name])
  const devices = selectDevices(configured, pci)
  const selector = describeSelector(configured)
  if (devices.length === 0) {
    const looked = lookedAt(pci)
    throw nicMatchesNothing({ name, place: place(), selector, looked, todo: remedy(configured, name, pci) })
  }
  if (devices.length > 1 && !configured.pool) {
    throw nicAmbiguous({
      name,
      place: place(),
      selector,
      count: devices.length,
      devices: describeDevices(devices),
    })
  }
  return { name, pool: configured.pool, devices, place }
}

function findUnconfigured(name: string, policy: Policy, pci: readonly PciDevice[]): FoundNic {
  const selector = selectorOfName(name)
  const devices = selectDevices(selector, pci)
  if (devices.length === 0) {
    const interfaces = pci.flatMap((device) => [
      ...device.interfaces,
      ...(device.inventory?.interfaces ?? []),
    ])
    const known = [...Object.keys(policy.nics), ...interfaces.flatMap((nic) => [nic.name, ...nic.altnames])]
    throw nicUnknown({ name, known, looked: lookedAt(pci), config: policy.place([]) })
  }
  if (devices.length > 1) {
    const facts = {
      selector: describeSelector(selector),
      count: devices.length,
      devices: describeDevices(devices),
    }
    throw nicAmbiguous({ name, place: null, ...facts })
  }
  return { name, pool: false, devices, place: null }
}

function lookedAt(pci: readonly PciDevice[]): string {
  const nics = pci.filter(isNetworkDevice)
  return nics.length === 0 ? `${pci.length} PCI devices, none a NIC` : describeDevices(nics)
}

/** A NIC on vfio-pci that no inventory remembers cannot be found by MAC or interface: that is the usual reason. */
function remedy(selector: NicSelector, name: string, pci: readonly PciDevice[]): string {
  const byInterface = selector.mac !== null || selector.interface !== null || selector.pf !== null
  const forgotten = pci.filter((d) => isNetworkDevice(d) && isOnVfio(d) && d.inventory === null)
  const [first] = forgotten
  if (!byInterface || first === undefined) return `correct the selectors under [nic.${name}]`
  return (
    `devices on vfio-pci without a saved MAC: ${describeDevices(forgotten)}; if it is one of these, give one back ` +
    `(qemu-rt nics unbind ${first.address}) and bind it again, which saves its MAC`
  )
}
