import type { Policy } from '../../config/policy.js'
import { nicAmbiguous, nicMatchesNothing, nicUnknown, nicWithoutDevice } from '../../errors/nics.js'
import { UserError } from '../../errors/user-error.js'
import type { PciDevice } from '../../host/facts.js'
import { parsePciAddress } from '../../units/pci-address.js'
import { tomlKey } from '../../units/printable.js'
import { describeDevice, describeDevices, isNetworkDevice, shorten } from './describe.js'
import type { KnownHost } from './known-host.js'
import { nearName } from './near.js'
import { describeSelector, selectDevices, selectorOfName } from './select.js'
import { knownReason, whyNothing } from './why-nothing.js'

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
export function findNic(name: string, policy: Policy, host: KnownHost): FoundNic {
  const configured = policy.nics[name]
  if (configured === undefined) return findUnconfigured(name, policy, host)
  const place = () => policy.place(['nic', name])
  const devices = selectDevices(configured, host)
  const selector = describeSelector(configured)
  if (devices.length === 0) {
    const { what, todo } = whyNothing(configured, host)
    const mend = todo ?? `correct the selectors under [nic.${tomlKey(name)}]`
    throw nicMatchesNothing({ name, place: place(), selector, why: what, todo: mend })
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

/** The same for a list of names, which one of them does not end: in place of a throw its line. */
export function findNicOrWhy(name: string, policy: Policy, host: KnownHost): FoundNic | string {
  try {
    return findNic(name, policy, host)
  } catch (error) {
    if (error instanceof UserError) return error.message
    throw error
  }
}

function findUnconfigured(name: string, policy: Policy, host: KnownHost): FoundNic {
  const selector = selectorOfName(name)
  const devices = selectDevices(selector, host)
  if (devices.length === 0) {
    const known = knownReason(selector, host)
    if (known !== null) throw nicWithoutDevice({ name, why: known.what, todo: known.todo })
    const near = nearName(name, Object.keys(policy.nics), host)
    const address = parsePciAddress(name)
    const mayBeNamed = address === null || host.pci.some((device) => device.address === address)
    const config = mayBeNamed ? policy.place([]) : null
    throw nicUnknown({ name, near, looked: lookedAt(host.pci), config })
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

const LOOKED_AT = 5

/** The NICs in short; virtual functions, of which there may be hundreds, as a number. */
function lookedAt(pci: readonly PciDevice[]): string {
  const nics = pci.filter(isNetworkDevice)
  if (nics.length === 0) return `${pci.length} PCI devices, none a NIC`
  const physical = nics.filter(({ virtualFunction }) => virtualFunction === null)
  const virtual = nics.length - physical.length
  const told = physical.length === 0 ? [] : [shorten(physical.map(describeDevice), LOOKED_AT)]
  return [...told, ...(virtual === 0 ? [] : [`${virtual} virtual functions`])].join(', ')
}
