import type { NicSelector } from '../../config/policy.js'
import type { NetInterface, PciDevice } from '../../host/facts.js'
import { parseMac } from '../../units/mac.js'
import { parsePciAddress } from '../../units/pci-address.js'

/** One thing that a selector asks for: how a message says it, and which devices have it. */
interface Criterion {
  readonly label: string
  readonly among: (devices: readonly PciDevice[]) => readonly PciDevice[]
}

/** Devices that a selector means: those that meet all it asks for, in the order of the host's list. */
export function selectDevices(selector: NicSelector, pci: readonly PciDevice[]): PciDevice[] {
  const chosen = criteria(selector).map(({ among }) => among(pci))
  return pci.filter((device) => chosen.every((devices) => devices.includes(device)))
}

/** What a selector asks for, for messages: `mac a0:36:9f:12:34:56, numa-node 1`. */
export function describeSelector(selector: NicSelector): string {
  return criteria(selector)
    .map(({ label }) => label)
    .join(', ')
}

/** Makes a selector of a name that has no configuration entry: a MAC address, an interface or an altname. */
export function selectorOfName(name: string): NicSelector {
  const mac = parseMac(name)
  return { ...NO_SELECTOR, ...(mac === null ? { interface: name } : { mac }) }
}

const NO_SELECTOR: NicSelector = {
  mac: null,
  address: null,
  interface: null,
  pf: null,
  vf: null,
  id: null,
  slot: null,
  numaNode: null,
  pool: false,
}

function criteria(selector: NicSelector): Criterion[] {
  const { mac, address, interface: name, pf, vf, id, slot, numaNode } = selector
  const each = (label: string, matches: (device: PciDevice) => boolean): Criterion => ({
    label,
    among: (devices) => devices.filter(matches),
  })
  const seen = (label: string, matches: (seenInterface: NetInterface) => boolean): Criterion => ({
    label,
    among: (devices) => withInterface(devices, matches),
  })
  return [
    ...(mac === null ? [] : [seen(`mac ${mac}`, (nic) => nic.mac === mac)]),
    ...(address === null ? [] : [each(`address ${address}`, (device) => device.address === address)]),
    ...(name === null ? [] : [seen(`interface ${name}`, (nic) => hasName(nic, name))]),
    ...(pf === null
      ? []
      : [{ label: `pf ${pf}`, among: (all: readonly PciDevice[]) => functionsOf(pf, all) }]),
    ...(vf === null ? [] : [each(`vf ${vf}`, (device) => device.virtualFunction?.index === vf)]),
    ...(id === null
      ? []
      : [each(`id ${id.vendor}:${id.device}`, (d) => d.vendor === id.vendor && d.device === id.device)]),
    ...(slot === null ? [] : [each(`slot ${slot}`, (device) => device.slot === slot)]),
    ...(numaNode === null ? [] : [each(`numa-node ${numaNode}`, (device) => device.numaNode === numaNode)]),
  ]
}

/**
 * Devices that have an interface now; only when there is none, those that had it when `nics scan` looked. A name or
 * MAC that is in use today belongs to today's device.
 */
function withInterface(
  devices: readonly PciDevice[],
  matches: (seenInterface: NetInterface) => boolean,
): readonly PciDevice[] {
  const live = devices.filter(({ interfaces }) => interfaces.some(matches))
  return live.length > 0 ? live : devices.filter(({ inventory }) => inventory?.interfaces.some(matches))
}

function hasName(nic: NetInterface, name: string): boolean {
  return nic.name === name || nic.altnames.includes(name)
}

/** Virtual functions of a physical function, which is named by interface, altname, MAC or PCI address. */
function functionsOf(pf: string, devices: readonly PciDevice[]): readonly PciDevice[] {
  const address = parsePciAddress(pf)
  const mac = parseMac(pf)
  const physical =
    address === null
      ? withInterface(devices, (nic) => hasName(nic, pf) || (mac !== null && nic.mac === mac)).map(
          (d) => d.address,
        )
      : [address]
  return devices.filter(
    ({ virtualFunction }) => virtualFunction !== null && physical.includes(virtualFunction.pf),
  )
}
