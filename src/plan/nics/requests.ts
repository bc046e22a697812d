import { type CommandLine, findOptions, propertiesAt } from '../../argv/command-line.js'
import { MalformedArgument, type Properties, parseProperties } from '../../argv/properties.js'
import type { DomainPolicy } from '../../config/policy.js'
import { malformedNicRequest } from '../../errors/nics.js'
import { withoutEndSlashes } from '../../units/path.js'
import { type PciAddress, parsePciAddress } from '../../units/pci-address.js'

/** A vfio-pci device of the command line. */
export interface VfioDevice {
  readonly index: number
  readonly id: string | null
  readonly properties: Properties
  /** The name in `host=nic:NAME`; null when it names no NIC. */
  readonly nic: string | null
  /** The address in `host=`; null when it has none. */
  readonly address: PciAddress | null
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
}

const NIC_PREFIX = 'nic:'

/** vfio-pci in all its QEMU drivers (hw/vfio/pci.c). */
const VFIO_PCI = new Set(['vfio-pci', 'vfio-pci-nohotplug'])

/** Every vfio-pci device of the command line, in order. */
export function vfioDevices(line: CommandLine): VfioDevice[] {
  return findOptions(line, 'device').flatMap(({ index }) => {
    const properties = propertiesAt(line, index)
    if (!VFIO_PCI.has(properties.get('driver') ?? '')) return []
    const host = properties.get('host') ?? ''
    const nic = host.startsWith(NIC_PREFIX) ? host.slice(NIC_PREFIX.length) : null
    return [
      { index, id: properties.get('id') ?? null, properties, nic, address: addressOf(host, properties) },
    ]
  })
}

/** The device by `host=`, or by `sysfsdev=/sys/bus/pci/devices/ADDRESS` (hw/vfio/pci.c has both). */
function addressOf(host: string, properties: Properties): PciAddress | null {
  const directory = withoutEndSlashes(properties.get('sysfsdev') ?? '')
  return parsePciAddress(host === '' && directory ? directory.slice(directory.lastIndexOf('/') + 1) : host)
}

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
    ...listed.map((name): NicRequest => ({ kind: 'ensure', name, id: null, rest: '' })),
  ]
}

/** Keys of the new device that a name gives. */
const GIVEN = ['host', 'sysfsdev', 'driver']

/** `NAME[,key=value…]` → the name, and the rest as it stands, for the new device. */
export function parseNicFlag(request: string): NicRequest {
  try {
    const properties = parseProperties(request, 'nic', false)
    const name = properties.get('nic')
    if (!name) throw new MalformedArgument('a name is missing')
    const own = properties.keys.find((key) => GIVEN.includes(key))
    if (own !== undefined) throw new MalformedArgument(`'${own}' is what the name stands for; leave it out`)
    return { kind: 'add', name, id: properties.get('id') ?? null, rest: properties.delete('nic').text }
  } catch (error) {
    if (error instanceof MalformedArgument) throw malformedNicRequest({ request, problem: error.message })
    throw error
  }
}
