import type { NicSelector } from '../../config/policy.js'
import type { HostFacts, NetInterface, PciDevice } from '../../host/facts.js'
import { parseMac } from '../../units/mac.js'
import { parsePciAddress } from '../../units/pci-address.js'

/** What a selector is looked up in. */
export type Selectable = Pick<HostFacts, 'pci' | 'otherInterfaces'>

/** One thing that a selector asks for: how a message says it, and which devices have it. */
export interface Criterion {
  readonly label: string
  readonly among: (host: Selectable) => readonly PciDevice[]
}

/** Devices that a selector means: those that meet all it asks for, in the order of the host's list. */
export function selectDevices(selector: NicSelector, host: Selectable): PciDevice[] {
  const chosen = criteria(selector).map(({ among }) => among(host))
  return host.pci.filter((device) => chosen.every((devices) => devices.includes(device)))
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

/** Each thing that a selector asks for. */
export function criteria(selector: NicSelector): Criterion[] {
  const { mac, address, interface: name, pf, vf, id, slot, numaNode } = selector
  const each = (label: string, matches: (device: PciDevice) => boolean): Criterion => ({
    label,
    among: ({ pci }) => pci.filter(matches),
  })
  return [
    ...(mac === null ? [] : [{ label: `mac ${mac}`, among: (host: Selectable) => withMac(mac, host) }]),
    ...(address === null ? [] : [each(`address ${address}`, (device) => device.address === address)]),
    ...(name === null
      ? []
      : [{ label: `interface ${name}`, among: (host: Selectable) => withName(name, host) }]),
    ...(pf === null ? [] : [{ label: `pf ${pf}`, among: (host: Selectable) => functionsOf(pf, host) }]),
    ...(vf === null ? [] : [each(`vf ${vf}`, (device) => device.virtualFunction?.index === vf)]),
    ...(id === null
      ? []
      : [each(`id ${id.vendor}:${id.device}`, (d) => d.vendor === id.vendor && d.device === id.device)]),
    ...(slot === null ? [] : [each(`slot ${slot}`, (device) => device.slot === slot)]),
    ...(numaNode === null ? [] : [each(`numa-node ${numaNode}`, (device) => device.numaNode === numaNode)]),
  ]
}

/** A device's own interfaces: a port representor stands for another function, although it is of this device. */
export function ownInterfaces({ interfaces }: PciDevice): readonly NetInterface[] {
  return interfaces.filter(({ port }) => port === undefined)
}

/**
 * Devices that have an interface now; only when there is none, those that had it when `nics scan` looked. A MAC that is in
 * use today belongs to today's device.
 */
function withMac(mac: string, { pci: devices }: Selectable): readonly PciDevice[] {
  const live = devices.filter((device) => ownInterfaces(device).some((nic) => nic.mac === mac))
  return live.length > 0
    ? live
    : devices.filter((device) => savedInterfaces(device).some((nic) => nic.mac === mac))
}

/**
 * The device whose interface bears a name now. Without one, those that had it when `nics scan` looked, and those that udev
 * has it for: such a name is an altname, or nobody's, when udev was told to name interfaces otherwise. A name that a bridge
 * bears now is the bridge's.
 */
function withName(name: string, { pci: devices, otherInterfaces = [] }: Selectable): readonly PciDevice[] {
  const bearing = devices.filter((device) => ownInterfaces(device).some((nic) => nic.name === name))
  if (bearing.length > 0 || otherInterfaces.includes(name)) return bearing
  return devices.filter((device) =>
    [...ownInterfaces(device), ...savedInterfaces(device)].some((nic) => hasName(nic, name)),
  )
}

function savedInterfaces({ inventory }: PciDevice): readonly NetInterface[] {
  return inventory?.interfaces ?? []
}

/** Whether a name is an interface's own, or another that it is known by. */
export function hasName(nic: NetInterface, name: string): boolean {
  return nic.name === name || nic.altnames.includes(name)
}

/** Virtual functions of a physical function, see `physicalFunctions`. */
function functionsOf(pf: string, host: Selectable): readonly PciDevice[] {
  const address = parsePciAddress(pf)
  const physical = address === null ? physicalFunctions(pf, host).map((d) => d.address) : [address]
  return host.pci.filter(
    ({ virtualFunction }) => virtualFunction !== null && physical.includes(virtualFunction.pf),
  )
}

/** The devices that `pf` means: by interface, altname, MAC or PCI address. */
export function physicalFunctions(pf: string, host: Selectable): readonly PciDevice[] {
  const address = parsePciAddress(pf)
  if (address !== null) return host.pci.filter((device) => device.address === address)
  const mac = parseMac(pf)
  return mac === null ? withName(pf, host) : withMac(mac, host)
}
