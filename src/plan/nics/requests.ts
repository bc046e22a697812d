import { type CommandLine, findOptions, propertiesAt } from '../../argv/command-line.js'
import { MalformedArgument, type Properties, parseProperties } from '../../argv/properties.js'
import type { DomainPolicy } from '../../config/policy.js'
import { malformedNicRequest } from '../../errors/nics.js'
import type { HostFacts, VfioNode } from '../../host/facts.js'
import { withoutEndSlashes } from '../../units/path.js'
import { type PciAddress, parsePciAddress } from '../../units/pci-address.js'
import { hasOwnSpace } from './guest-iommu.js'
import { readHostProperty } from './host-property.js'

/** A vfio-pci device of the command line. */
export interface VfioDevice {
  readonly index: number
  readonly id: string | null
  readonly properties: Properties
  /** The name in `host=nic:NAME`; null when it names no NIC. */
  readonly nic: string | null
  /** Which device it is; null when it names none, or no PCI device, or that is not known. */
  readonly address: PciAddress | null
  /** The descriptor that whoever starts QEMU has opened the device by (`fd=`); null when QEMU opens it. */
  readonly passed: string | null
  /** Whether nobody can tell here which device was passed. */
  readonly isUnknown: boolean
}

/** An argument of `-device`, and where the command line has it. */
interface DeviceArgument {
  readonly index: number
  readonly properties: Properties
}

/** All devices of the command line, in order. */
function deviceArguments(line: CommandLine): DeviceArgument[] {
  return findOptions(line, 'device').map(({ index }) => ({ index, properties: propertiesAt(line, index) }))
}

/** One request for a named NIC, from wherever it comes. */
export type NicRequest =
  | { readonly kind: 'device'; readonly name: string; readonly device: VfioDevice }
  | { readonly kind: 'replace'; readonly name: string; readonly device: VfioDevice }
  | NewDevice

/** A device to add. `ensure` is content with one that is there already: a domain's list says what the VM has. */
interface NewDevice {
  readonly kind: 'add' | 'ensure'
  readonly name: string
  readonly id: string | null
  /** Further properties of the new device, as written. */
  readonly rest: string
  /** The same, read; null without any. */
  readonly properties: Properties | null
}

const NIC_PREFIX = 'nic:'

/** vfio-pci in all its QEMU drivers (hw/vfio/pci.c). */
const VFIO_PCI = new Set(['vfio-pci', 'vfio-pci-nohotplug'])

/**
 * Every vfio-pci device of the command line, in order.
 * @param passed see `HostFacts.passed`
 */
export function vfioDevices(line: CommandLine, passed: HostFacts['passed'] = null): VfioDevice[] {
  return vfioDevicesAmong(deviceArguments(line), passed)
}

/** Those of several devices that are vfio-pci's, see `vfioDevices`. */
function vfioDevicesAmong(devices: readonly DeviceArgument[], passed: HostFacts['passed']): VfioDevice[] {
  return devices.flatMap(({ index, properties }) => {
    if (!VFIO_PCI.has(properties.get('driver') ?? '')) return []
    const host = properties.get('host') ?? ''
    const nic = host.startsWith(NIC_PREFIX) ? host.slice(NIC_PREFIX.length) : null
    return [{ index, id: properties.get('id') ?? null, properties, nic, ...identity(properties, passed) }]
  })
}

/**
 * Which device QEMU opens: the one that was passed (`fd=`), else that of `sysfsdev=/sys/bus/pci/devices/ADDRESS`, else
 * that of `host=` (QEMU 11 hw/vfio/pci.c, vfio_pci_realize; device.c, vfio_device_get_name).
 */
function identity(
  properties: Properties,
  known: HostFacts['passed'],
): Pick<VfioDevice, 'address' | 'passed' | 'isUnknown'> {
  const passed = properties.get('fd') || null
  if (passed !== null) {
    const isKnown = known != null && Object.hasOwn(known, passed)
    return { passed, address: isKnown ? (known[passed] ?? null) : null, isUnknown: !isKnown }
  }
  const directory = withoutEndSlashes(properties.get('sysfsdev') ?? '')
  const address =
    directory === ''
      ? readHostProperty(properties.get('host') ?? '')
      : parsePciAddress(directory.slice(directory.lastIndexOf('/') + 1))
  return { passed, address, isUnknown: false }
}

/** What of a device's properties says which one it is: a name that takes its place leaves none of it. */
export const IDENTITY = ['fd', 'sysfsdev', 'host'] as const

/** What `--nic` and the domain's configuration ask for besides the command line. */
export interface AskedNics {
  readonly nics: readonly string[]
  readonly domain: DomainPolicy['nics']
}

/** Whether anything asks for a named NIC, so that the host's devices must be read. */
export function asksForNics(line: CommandLine, { nics, domain }: AskedNics): boolean {
  return nics.length > 0 || domain !== null || vfioDevices(line).some(({ nic }) => nic !== null)
}

/**
 * Collects every request. A replacement of the domain's configuration beats a name in the command line.
 * @param missing makes the error for a replacement whose device is not there
 * @throws {UserError} exit 65 for a `--nic` that does not parse
 */
export function collectRequests(
  devices: readonly VfioDevice[],
  { nics, domain }: AskedNics,
  missing: (id: string, name: string) => Error,
): NicRequest[] {
  const replacements = domain !== null && 'replace' in domain ? Object.entries(domain.replace) : []
  const replaced = replacements.map(([id, name]): NicRequest => {
    const device = devices.find((candidate) => candidate.id === id)
    if (device === undefined) throw missing(id, name)
    return { kind: 'replace', name, device }
  })
  const named = devices.flatMap((device): NicRequest[] => {
    const taken = replacements.some(([id]) => id === device.id)
    if (device.nic === null || taken) return []
    if (device.nic === '') {
      throw malformedNicRequest({ request: `host=${NIC_PREFIX}`, problem: 'a name is missing' })
    }
    return [{ kind: 'device', name: device.nic, device }]
  })
  const listed = domain !== null && 'add' in domain ? domain.add : []
  return [
    ...replaced,
    ...named,
    ...nics.map(parseNicFlag),
    ...listed.map((name): NicRequest => ({ kind: 'ensure', name, id: null, rest: '', properties: null })),
  ]
}

/** Keys of the new device that a name gives. */
const GIVEN: readonly string[] = [...IDENTITY, 'driver']

/** `NAME[,key=value…]` → the name, and the rest as it stands, for the new device. */
export function parseNicFlag(request: string): NicRequest {
  try {
    const properties = parseProperties(request, { impliedKey: 'nic' })
    const name = properties.get('nic')
    if (!name) throw new MalformedArgument('a name is missing')
    const own = properties.keys.find((key) => GIVEN.includes(key))
    if (own !== undefined) throw new MalformedArgument(`'${own}' is what the name stands for; leave it out`)
    const id = properties.get('id') ?? null
    return { kind: 'add', name, id, rest: properties.delete('nic').text, properties }
  } catch (error) {
    if (error instanceof MalformedArgument) throw malformedNicRequest({ request, problem: error.message })
    throw error
  }
}

/** How QEMU opens a device through VFIO, as the device's properties have it. */
export interface Opening {
  /** By the node of its IOMMU group, or by the device's own node and /dev/iommu (QEMU 8.2, hw/vfio/device.c and iommufd.c). */
  readonly by: 'group' | 'iommufd'
  /** /dev/iommu, where QEMU opens it itself; null where it need not, or is given it open (`-object iommufd,fd=`). */
  readonly iommu: VfioNode | null
  /** Whether it has a token for a virtual function whose physical function is on VFIO, too (`vf-token=`, QEMU 8.1). */
  readonly hasToken: boolean
  /** Whether it maps the device's memory for that device alone: VFIO can do so for whole groups only. */
  readonly isApart: boolean
}

/** How QEMU opens a device of which nobody says more. */
export const BY_GROUP: Opening = { by: 'group', iommu: null, hasToken: false, isApart: false }

/**
 * @param properties of the device; null when it is made of its name alone
 * @param iommuNode see `HostFacts`
 */
export function openingOf(
  properties: Properties | null,
  line: CommandLine,
  iommuNode: VfioNode | null = null,
): Opening {
  const iommufd = properties?.get('iommufd') ?? ''
  const hasToken = (properties?.get('vf-token') ?? '') !== ''
  const isApart = hasOwnSpace(line, properties?.get('bus'))
  if (iommufd === '') return { ...BY_GROUP, hasToken, isApart }
  return { by: 'iommufd', iommu: isOpened(line, iommufd) ? null : iommuNode, hasToken, isApart }
}

function isOpened(line: CommandLine, id: string): boolean {
  return findOptions(line, 'object')
    .map(({ index }) => propertiesAt(line, index))
    .some((object) => object.get('id') === id && (object.get('fd') ?? '') !== '')
}
