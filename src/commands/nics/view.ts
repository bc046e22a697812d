import type { Policy } from '../../config/policy.js'
import type { HostFacts, PciDevice } from '../../host/facts.js'
import type { UseOf } from '../../host/use/use.js'
import { isNetworkDevice } from '../../plan/nics/describe.js'
import { type Obstacle, obstacles } from '../../plan/nics/readiness.js'
import { selectDevices } from '../../plan/nics/select.js'

/** A NIC of this host as `nics list` and `nics show` print it. */
export interface NicView {
  readonly names: readonly string[]
  readonly address: string
  readonly id: string
  readonly driver: string | null
  readonly interfaces: readonly string[]
  readonly altnames: readonly string[]
  readonly macs: readonly string[]
  /** Whether interfaces and MACs are what `nics scan` saved rather than what is there now. */
  readonly fromInventory: boolean
  readonly iommuGroup: number | null
  readonly numaNode: number | null
  readonly slot: string | null
  readonly pf: string | null
  readonly vf: number | null
  readonly serial: string | null
  readonly ready: boolean
  /** All that keeps it from being given to a VM, and what mends it; in the order in which to mend it. */
  readonly obstacles: readonly { readonly what: string; readonly todo: string }[]
}

/**
 * Every network device of the host, and what else the configuration names, with the names that mean it.
 * @param wanted only these devices, whatever they are
 */
export function viewNics(
  host: HostFacts,
  policy: Policy,
  useOf: UseOf,
  wanted: readonly PciDevice[] | null = null,
): NicView[] {
  const named = Object.entries(policy.nics).map(([name, selector]) => ({
    name,
    devices: selectDevices(selector, host),
  }))
  return host.pci
    .map((device) => ({
      device,
      names: named.filter(({ devices }) => devices.includes(device)).map(({ name }) => name),
    }))
    .filter(({ device, names }) =>
      wanted === null ? names.length > 0 || isNetworkDevice(device) : wanted.includes(device),
    )
    .map(({ device, names }) => view(device, names, obstacles(device, host.pci, useOf)))
}

function view(device: PciDevice, names: readonly string[], troubles: readonly Obstacle[]): NicView {
  const fromInventory = device.interfaces.length === 0 && device.inventory !== null
  const interfaces = fromInventory ? (device.inventory?.interfaces ?? []) : device.interfaces
  return {
    names,
    address: device.address,
    id: `${device.vendor}:${device.device}`,
    driver: device.driver,
    interfaces: interfaces.map(({ name }) => name),
    altnames: interfaces.flatMap(({ altnames }) => altnames),
    macs: interfaces.flatMap(({ mac }) => mac ?? []),
    fromInventory,
    iommuGroup: device.iommuGroup,
    numaNode: device.numaNode,
    slot: device.slot,
    pf: device.virtualFunction?.pf ?? null,
    vf: device.virtualFunction?.index ?? null,
    serial: device.serial,
    ready: troubles.length === 0,
    obstacles: troubles.map(({ what, todo }) => ({ what, todo })),
  }
}
