import { badDomainXml } from '../errors/libvirt.js'
import type { DomainRequest } from '../record/vm.js'
import { type PciAddress, parsePciAddress } from '../units/pci-address.js'
import { readMetadata } from './metadata.js'
import { childOf, childrenOf, parseXml, type XmlElement } from './xml.js'

/** Namespace of `<qemu:commandline>` (https://libvirt.org/drvqemu.html, "Pass-through of arbitrary QEMU commands"). */
export const QEMU_NAMESPACE = 'http://libvirt.org/schemas/domain/qemu/1.0'

/** What libvirt's XML says of a domain, as far as the wrapper looks at it. */
export interface Domain {
  readonly name: string
  readonly uuid: string | null
  /** Absolute path in `<emulator>`; null when libvirt chooses. */
  readonly emulator: string | null
  readonly request: DomainRequest & { readonly isAsked: boolean }
  /** `<qemu:arg>`. */
  readonly args: readonly string[]
  /** `<qemu:env>`. */
  readonly env: Readonly<Record<string, string>>
  readonly hostdevs: readonly PciHostdev[]
  /** The user that QEMU runs as, when the XML says (`<seclabel model='dac'>`): `+64055` or a name. */
  readonly user: string | null
  readonly root: XmlElement
}

/** A PCI device that libvirt gives to the domain. */
export interface PciHostdev {
  /** The id that QEMU's device gets: `hostdev0`. */
  readonly id: string
  readonly address: PciAddress
  /** Whether libvirt binds it to vfio-pci itself. */
  readonly managed: boolean
  /** Whether libvirt opens it by iommufd and passes it open (`<driver iommufd='yes'/>`, libvirt 11 and later). */
  readonly iommufd: boolean
  /** Where the address is said. */
  readonly addressElement: XmlElement
}

/**
 * Reads a domain's XML as `virsh dumpxml` and libvirt's hooks give it.
 * @param source for messages: a file's name, or where the text comes from
 * @throws {UserError} exit 65 when it is no domain or its `<request>` is not understood
 */
export function readDomain(xml: string, source: string): Domain {
  const root = parseXml(xml)
  if ('problem' in root) throw badDomainXml({ source: `${source}:${root.line}`, problem: root.problem })
  if (root.name !== 'domain') {
    throw badDomainXml({ source, problem: `its root is <${root.name}>, not <domain>` })
  }
  const name = childOf(root, 'name')?.text
  if (!name) throw badDomainXml({ source, problem: '<name> is missing' })
  const commandline = childOf(root, 'commandline', QEMU_NAMESPACE)
  return {
    name,
    uuid: childOf(root, 'uuid')?.text.toLowerCase() || null,
    emulator: childOf(childOf(root, 'devices'), 'emulator')?.text || null,
    request: readMetadata(root),
    args: childrenOf(commandline, 'arg', QEMU_NAMESPACE).map(({ attributes }) => attributes.value ?? ''),
    env: Object.fromEntries(
      childrenOf(commandline, 'env', QEMU_NAMESPACE).map(({ attributes }) => [
        attributes.name ?? '',
        attributes.value ?? '',
      ]),
    ),
    hostdevs: pciHostdevs(childOf(root, 'devices')),
    user: dacUser(root),
    root,
  }
}

/**
 * In libvirt's order, which its ids follow: interfaces before others (src/conf/domain_conf.c, virDomainDefParseXML). One
 * without an alias gets the number after the highest that there is, PCI or not (src/qemu/qemu_alias.c,
 * qemuAssignDeviceHostdevAlias).
 */
function pciHostdevs(devices: XmlElement | null): PciHostdev[] {
  const interfaces = childrenOf(devices, 'interface').filter(
    ({ attributes }) => attributes.type === 'hostdev',
  )
  const all = [...interfaces, ...childrenOf(devices, 'hostdev')]
  const aliasOf = (element: XmlElement) => childOf(element, 'alias')?.attributes.name
  const numbers = all.flatMap((element) => /^hostdev(\d{1,9})$/.exec(aliasOf(element) ?? '')?.[1] ?? [])
  let next = numbers.reduce((most, number) => Math.max(most, Number(number) + 1), 0)
  return all.flatMap((element) => {
    const id = aliasOf(element) ?? `hostdev${next++}`
    const source = childOf(element, 'source')
    const isPci = element.name === 'interface' || element.attributes.type === 'pci'
    const addressElement = isPci ? childOf(source, 'address') : null
    const address = addressOf(addressElement)
    if (address === null || addressElement === null) return []
    const managed = element.attributes.managed === 'yes'
    const iommufd = childOf(element, 'driver')?.attributes.iommufd === 'yes'
    return [{ id, address, managed, iommufd, addressElement }]
  })
}

/** `<address domain='0x0000' bus='0x03' slot='0x00' function='0x1'/>`; numbers may be decimal, too. */
function addressOf(element: XmlElement | null): PciAddress | null {
  if (element === null) return null
  const { domain = '0', bus, slot, function: fn = '0' } = element.attributes
  const hex = (text: string | undefined, digits: number) =>
    Number(text ?? '')
      .toString(16)
      .padStart(digits, '0')
  if (bus === undefined || slot === undefined) return null
  return parsePciAddress(`${hex(domain, 4)}:${hex(bus, 2)}:${hex(slot, 2)}.${Number(fn)}`)
}

/** `<seclabel type='static' model='dac'><label>qemu:kvm</label>`: user and group. */
function dacUser(root: XmlElement): string | null {
  const dac = childrenOf(root, 'seclabel').find(({ attributes }) => attributes.model === 'dac')
  const label = childOf(dac ?? null, 'label')?.text
  return label?.split(':')[0] || null
}
