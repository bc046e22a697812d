import type { NicSelector } from '../../config/policy.js'
import type { NetInterface, PciDevice, UncountedEntry } from '../../host/facts.js'
import { parseMac } from '../../units/mac.js'
import { isOnVfio } from '../../units/pci-driver.js'
import { describeDevice, isNetworkDevice, shorten } from './describe.js'
import type { KnownHost } from './known-host.js'
import { criteria, hasName, ownInterfaces, physicalFunctions } from './select.js'

/** Why a selector means no device of the host, and what to do. */
export interface WhyNothing {
  readonly what: string
  readonly todo: string
}

/**
 * Says which selector fails, and what is there in its place. The todo is null when there is nothing but to correct it.
 * Devices that the selectors do not name are not told: they are other NICs, which others may use.
 */
export function whyNothing(
  selector: NicSelector,
  host: KnownHost,
): WhyNothing | { what: string; todo: null } {
  return (
    knownReason(selector, host) ?? {
      what: whyNoCriterion(selector, host) ?? whyNotAll(selector, host),
      todo: null,
    }
  )
}

/** The same, as far as something is known of what the selector names; null when nothing is. */
export function knownReason(selector: NicSelector, host: KnownHost): WhyNothing | null {
  const { mac, address, interface: name, pf, vf } = selector
  return (
    (pf === null ? null : whyNoFunction(pf, vf, host)) ??
    (name === null ? null : whyNoInterface(name, (nic) => hasName(nic, name), host)) ??
    (mac === null ? null : whyNoInterface(mac, (nic) => nic.mac === mac, host)) ??
    (address === null ? null : whyNoSaved(({ entry }) => entry.address === address, host))
  )
}

function whyNoFunction(pf: string, vf: number | null, host: KnownHost): WhyNothing | null {
  const [physical] = physicalFunctions(pf, host)
  if (physical !== undefined) return whyNoVf(physical, vf)
  const mac = parseMac(pf)
  return whyNoInterface(pf, (nic) => hasName(nic, pf) || (mac !== null && nic.mac === mac), host)
}

/** Why a device has no such virtual function; null when it has. */
function whyNoVf(device: PciDevice, vf: number | null): WhyNothing | null {
  const { sriov, virtualFunction, address } = device
  const pf = describeShortly(device)
  if (virtualFunction !== null) {
    return { what: `${pf} is a virtual function itself`, todo: 'name its physical function as pf' }
  }
  if (sriov === null || sriov.total === 0) {
    return {
      what: `${pf} can have no virtual functions`,
      todo: 'name another pf, or turn SR-IOV on in the firmware of card and machine',
    }
  }
  const { enabled, total } = sriov
  if (vf !== null && vf >= total) {
    return { what: `${pf} can have ${total} virtual functions, 0 to ${total - 1}`, todo: 'correct vf' }
  }
  if (enabled === 0) {
    const on = `run as root: echo N > /sys/bus/pci/devices/${address}/sriov_numvfs`
    return {
      what: `${pf} has no virtual functions on (0 of ${total})`,
      todo: isOnVfio(device) ? `give it back to its driver (qemu-rt nics unbind ${address}), then ${on}` : on,
    }
  }
  if (vf === null || vf < enabled) return null
  return {
    what: `${pf} has ${enabled} of ${total} virtual functions on, 0 to ${enabled - 1}`,
    // The kernel changes their number from and to 0 alone (Linux drivers/pci/pci-sysfs.c, sriov_numvfs_store).
    todo: 'correct vf; more can be turned on only when all are off, which takes them from the VMs that have them',
  }
}

/** Why no device has an interface that is known by a name or MAC; null when nothing is known of it. */
function whyNoInterface(
  name: string,
  matches: (nic: NetInterface) => boolean,
  host: KnownHost,
): WhyNothing | null {
  return (
    whyOther(name, host) ??
    whyRepresentor(matches, host.pci) ??
    whyNoSaved(({ entry }) => entry.interfaces.some(matches), host) ??
    whyNoNamedVf(name, host)
  )
}

function whyOther(name: string, { otherInterfaces = [] }: KnownHost): WhyNothing | null {
  if (!otherInterfaces.includes(name)) return null
  return {
    what: `${name} is an interface, but not of a PCI device`,
    todo: 'name the NIC that is meant, see qemu-rt nics list',
  }
}

function whyRepresentor(
  matches: (nic: NetInterface) => boolean,
  pci: readonly PciDevice[],
): WhyNothing | null {
  for (const device of pci) {
    const nic = device.interfaces.find((one) => one.port !== undefined && matches(one))
    if (nic === undefined) continue
    const vf = /vf(\d+)$/.exec(nic.port ?? '')?.[1]
    const [own] = ownInterfaces(device)
    const pf = own?.name ?? device.address
    return {
      what: `${nic.name} is the port representor of ${nic.port} of ${describeShortly(device)}`,
      todo:
        vf === undefined
          ? 'name the function that it stands for'
          : `name that function: pf = "${pf}", vf = ${vf}`,
    }
  }
  return null
}

function whyNoSaved(isMeant: (saved: UncountedEntry) => boolean, host: KnownHost): WhyNothing | null {
  const saved = host.uncounted?.find(isMeant)
  if (saved === undefined) return null
  const { entry, why, problem, todo } = saved
  const [nic] = entry.interfaces
  const facts = [nic?.name, nic?.mac].filter(Boolean).join(', ')
  const what = `saved NIC ${entry.address}${facts === '' ? '' : ` (${facts})`} ${problem}`
  const pf = why === 'gone' ? host.pci.find((device) => mayHaveHad(device, entry.address)) : undefined
  const off = pf === undefined ? null : whyNoVf(pf, null)
  return off === null ? { what, todo } : { what: `${what}, and ${off.what}`, todo: off.todo }
}

/** Whether a virtual function that is gone may have been this device's: it has none on, and the same bus. */
function mayHaveHad({ address, sriov }: PciDevice, gone: string): boolean {
  const busOf = (text: string) => text.slice(0, text.lastIndexOf(':'))
  return sriov !== null && sriov.enabled === 0 && sriov.total > 0 && busOf(address) === busOf(gone)
}

/** systemd names a virtual function after its physical one, `ens1f0v3` (systemd.net-naming-scheme(7)). */
function whyNoNamedVf(name: string, host: KnownHost): WhyNothing | null {
  const [, pf = '', index = ''] = /^(.+?)v(\d+)$/.exec(name) ?? []
  const [physical] = pf === '' ? [] : physicalFunctions(pf, host)
  if (physical === undefined || physical.sriov === null) return null
  const vf = Number(index)
  return (
    whyNoVf(physical, vf) ?? {
      what: `virtual function ${vf} of ${describeShortly(physical)} has no interface, and none was saved`,
      todo: `name it by pf = "${pf}", vf = ${vf}`,
    }
  )
}

/** The first thing that no device has; null when each is met by some device. */
function whyNoCriterion(selector: NicSelector, host: KnownHost): string | null {
  const failing = criteria(selector).find(({ among }) => among(host).length === 0)
  if (failing === undefined) return null
  const byInterface = selector.mac !== null || selector.interface !== null || selector.pf !== null
  return `no NIC has ${failing.label}${byInterface ? [unsaved(host), unseen(host)].join('') : ''}`
}

/** NICs on VFIO, which show no interface, and of which none was saved. */
function unsaved({ pci }: KnownHost): string {
  const { length } = pci.filter((d) => isNetworkDevice(d) && isOnVfio(d) && d.inventory === null)
  return length === 0 ? '' : `; of ${length} on vfio-pci no name or MAC was saved, see qemu-rt nics list`
}

/** NICs with a driver of the host's and no interface: sysfs shows those of this process's network namespace alone. */
function unseen({ pci }: KnownHost): string {
  const devices = pci.filter(
    (d) =>
      isNetworkDevice(d) &&
      d.driver !== null &&
      !isOnVfio(d) &&
      d.interfaces.length === 0 &&
      d.inventory === null,
  )
  return devices.length === 0
    ? ''
    : `; of ${shorten(devices.map(describeDevice), 2)} no interface is seen here, it may be in another network namespace (lsns -t net)`
}

/** Each is met by some device, but all by none: the devices that come closest, and what they fail. */
function whyNotAll(selector: NicSelector, host: KnownHost): string {
  const chosen = criteria(selector).map(({ label, among }) => ({ label, devices: among(host) }))
  const [rarest] = [...chosen].sort((a, b) => a.devices.length - b.devices.length)
  if (rarest === undefined) return 'nothing is selected'
  const others = chosen.filter((one) => one !== rarest)
  const failed = (device: PciDevice) => others.filter(({ devices }) => !devices.includes(device))
  const lines = rarest.devices.map(
    (device) =>
      `${describeDevice(device)}, but not ${failed(device)
        .map(({ label }) => label)
        .join(' or ')}`,
  )
  return `${rarest.label} is ${shorten(lines, 2)}`
}

/** `ens1f0 (0000:3b:00.0)`; without an interface the address. */
function describeShortly(device: PciDevice): string {
  const [nic = device.inventory?.interfaces[0]] = ownInterfaces(device)
  return nic === undefined ? device.address : `${nic.name} (${device.address})`
}
