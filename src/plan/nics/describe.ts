import type { PciDevice } from '../../host/facts.js'
import { isNetworkClass } from '../../units/pci-class.js'

/** Whether a device is a network controller by its PCI class. */
export function isNetworkDevice({ classCode }: PciDevice): boolean {
  return isNetworkClass(classCode)
}

/** A device for a message: `0000:03:00.0 (ens1f0, a0:36:9f:12:34:56)` or `0000:03:00.2 (vfio-pci)`. */
export function describeDevice({ address, interfaces, inventory, driver }: PciDevice): string {
  const [nic = inventory?.interfaces[0]] = interfaces
  const facts = [nic?.name, nic?.mac, interfaces.length === 0 ? driver : null].filter(Boolean)
  return facts.length === 0 ? address : `${address} (${facts.join(', ')})`
}

const SHOWN = 8

/** A list of devices, cut where a message would become unreadable. */
export function describeDevices(devices: readonly PciDevice[]): string {
  return shorten(devices.map(describeDevice))
}

/** Joins the first few and says how many more there are. */
export function shorten(texts: readonly string[], shown = SHOWN): string {
  const more = texts.length > shown ? [`and ${texts.length - shown} more`] : []
  return [...texts.slice(0, shown), ...more].join(', ')
}
