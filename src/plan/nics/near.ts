import { nearest } from '../../errors/nearest.js'
import type { PciDevice } from '../../host/facts.js'
import { isOnVfio } from '../../units/pci-driver.js'
import { holdingOf } from '../leases.js'
import { isNetworkDevice } from './describe.js'
import type { KnownHost } from './known-host.js'
import { ownInterfaces } from './select.js'

/**
 * The name that a mistyped one most likely means: of the configuration, else one that an interface bears, else one that an
 * interface is known by besides. No name of a device that cannot be had is proposed, see `isFree`.
 */
export function nearName(name: string, configured: readonly string[], host: KnownHost): string | null {
  const named = host.pci.flatMap((device) =>
    [...ownInterfaces(device), ...(device.inventory?.interfaces ?? [])].map((nic) => ({ device, nic })),
  )
  const borne = named.map(({ device, nic }) => [nic.name, device] as const)
  const further = named.flatMap(({ device, nic }) => nic.altnames.map((other) => [other, device] as const))
  return nearest(name, configured) ?? nearFree(name, borne, host) ?? nearFree(name, further, host)
}

/** The PCI address of a NIC that can be had that is most like a mistyped one. */
export function nearAddress(address: string, host: KnownHost): string | null {
  return nearFree(
    address,
    host.pci.map((device) => [device.address, device] as const),
    host,
  )
}

/** Only devices whose names are near are looked into: that takes time. */
function nearFree(
  name: string,
  named: readonly (readonly [string, PciDevice])[],
  host: KnownHost,
): string | null {
  const left = new Map(named)
  for (;;) {
    const near = nearest(name, [...left.keys()])
    const device = near === null ? undefined : left.get(near)
    if (near === null || device === undefined || (isMeant(name, device, host) && isFree(device, host))) {
      return near
    }
    left.delete(near)
  }
}

/** A virtual function is meant by a name that begins like its physical function's: another's are on another network. */
function isMeant(name: string, { address, virtualFunction }: PciDevice, { pci }: KnownHost): boolean {
  if (virtualFunction === null) return true
  const pf = pci.find((device) => device.address === virtualFunction.pf)
  const names = pf === undefined ? [] : ownInterfaces(pf).flatMap((nic) => [nic.name, ...nic.altnames])
  return [...names, address.slice(0, address.lastIndexOf(':'))].some((start) => name.startsWith(start))
}

/** Whether it is shown that neither the host nor a VM uses a NIC. */
function isFree(device: PciDevice, { pci, useOf, mayBeOpen, holds }: KnownHost): boolean {
  const held = holds?.() ?? null
  if (!isNetworkDevice(device) || held === null) return false
  if (holdingOf(held, device, pci) !== undefined) return false
  return isOnVfio(device) ? mayBeOpen?.(device) === false : useOf?.(device).length === 0
}
