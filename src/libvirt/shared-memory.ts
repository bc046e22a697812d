import { childOf, childrenOf, type XmlElement } from './xml.js'

/** A device that libvirt gives to QEMU as vhost-user, and whether it insists on shared guest RAM. */
interface VhostUserElement {
  /** Child of `<devices>`. */
  readonly element: string
  /** Whether one is such a device. */
  readonly matches: (element: XmlElement) => boolean
  /** How a person writes it. */
  readonly form: string
  /**
   * Which libvirt refuses it without shared memory, and what its kind is called in that error: `'interface' requires shared memory`.
   * null for a device that every libvirt takes. NEWS of libvirt 11.2.0, "Use common check for shared memory use for vhost-user
   * network devices", and seen with 9.0, 11.3 and 12.8.
   */
  readonly refused: Refused | null
  /** QEMU's device that speaks vhost-user; null for a NIC, whose netdev does. */
  readonly device: string | null
}

interface Refused {
  readonly word: string
  /** The first version that does; null for every one that has the device. */
  readonly since: string | null
}

export const VHOST_USER_ELEMENTS: readonly VhostUserElement[] = [
  {
    element: 'interface',
    matches: ({ attributes }) => attributes.type === 'vhostuser',
    form: "<interface type='vhostuser'>",
    refused: { word: 'interface', since: '11.2.0' },
    device: null,
  },
  {
    element: 'filesystem',
    matches: (element) => childOf(element, 'driver')?.attributes.type === 'virtiofs',
    form: '<filesystem> with virtiofs',
    refused: { word: 'virtiofs', since: null },
    device: 'vhost-user-fs-pci',
  },
  {
    element: 'disk',
    matches: ({ attributes }) => attributes.type === 'vhostuser',
    form: "<disk type='vhostuser'>",
    refused: { word: 'vhostuser', since: null },
    device: 'vhost-user-blk-pci',
  },
  {
    element: 'video',
    matches: (element) => childOf(element, 'driver')?.attributes.name === 'vhostuser',
    form: '<video> with the driver vhostuser',
    // Seen with 9.0: it is defined, and its QEMU would have private memory.
    refused: null,
    // The first one's; the others are vhost-user-gpu-pci (src/qemu/qemu_command.c, qemuDeviceVideoGetModel).
    device: 'vhost-user-vga',
  },
]

/** A domain's vhost-user devices, in the table's order. */
export function vhostUserElements(root: XmlElement): { kind: VhostUserElement; element: XmlElement }[] {
  const devices = childOf(root, 'devices')
  return VHOST_USER_ELEMENTS.flatMap((kind) =>
    childrenOf(devices, kind.element)
      .filter(kind.matches)
      .map((element) => ({ kind, element })),
  )
}

const WAY_OUT =
  'the wrapper does not get to run; define the XML that `qemu-rt domain native` prints: its <memoryBacking> shares the memory'

/**
 * What a person should know when libvirt takes, or may take, no domain like this: neither hook nor wrapper is asked then.
 * @param failure what libvirt said in place of a command line; null when it made one
 * @returns a line, or null
 */
export function aboutSharedMemory(root: XmlElement, failure: string | null): string | null {
  if (failure === null) return null
  const refused = /'[\w-]+' requires shared memory/.exec(failure)?.[0]
  if (refused !== undefined) return `libvirt refuses this domain: ${refused}: ${WAY_OUT}`
  if (hasSharedMemory(root)) return null
  for (const { kind } of vhostUserElements(root)) {
    if (kind.refused === null) continue
    const since = kind.refused.since === null ? '' : ` from version ${kind.refused.since} on`
    return `libvirt${since} refuses ${kind.form} without shared memory: ${WAY_OUT}`
  }
  return null
}

/** Whether the domain says so itself (libvirt src/qemu/qemu_validate.c, qemuValidateDomainDefVhostUserRequireSharedMemory). */
function hasSharedMemory(root: XmlElement): boolean {
  const common = childOf(childOf(root, 'memoryBacking'), 'access')?.attributes.mode
  const cells = childrenOf(childOf(childOf(root, 'cpu'), 'numa'), 'cell')
  if (cells.length === 0) return common === 'shared'
  return cells.every(({ attributes }) => (attributes.memAccess ?? common) === 'shared')
}
