import { childOf, childrenOf, type XmlElement } from './xml.js'

/** A device that libvirt gives to QEMU as vhost-user, and whether it insists on shared guest RAM. */
interface VhostUserElement {
  /** Child of `<devices>`. */
  readonly element: string
  /** Whether one is such a device. */
  readonly matches: (element: XmlElement) => boolean
  /** How a person writes it. */
  readonly form: string
  /** What its kind is called in libvirt's error: `'interface' requires shared memory`. */
  readonly word: string
  /**
   * First libvirt that refuses it without shared memory; null as long as it has had the device. NEWS of libvirt 11.2.0,
   * "Use common check for shared memory use for vhost-user network devices", and seen with 9.0, 11.3 and 12.8.
   */
  readonly refusedSince: string | null
  /** QEMU's device that speaks vhost-user; null for a NIC, whose netdev does. */
  readonly device: string | null
}

export const VHOST_USER_ELEMENTS: readonly VhostUserElement[] = [
  {
    element: 'interface',
    matches: ({ attributes }) => attributes.type === 'vhostuser',
    form: "<interface type='vhostuser'>",
    word: 'interface',
    refusedSince: '11.2.0',
    device: null,
  },
  {
    element: 'filesystem',
    matches: (element) => childOf(element, 'driver')?.attributes.type === 'virtiofs',
    form: '<filesystem> with virtiofs',
    word: 'virtiofs',
    refusedSince: null,
    device: 'vhost-user-fs-pci',
  },
  {
    element: 'disk',
    matches: ({ attributes }) => attributes.type === 'vhostuser',
    form: "<disk type='vhostuser'>",
    word: 'vhostuser',
    refusedSince: null,
    device: 'vhost-user-blk-pci',
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
  const [first] = vhostUserElements(root)
  if (first === undefined) return null
  const { form, refusedSince } = first.kind
  const since = refusedSince === null ? '' : ` from version ${refusedSince} on`
  return `libvirt${since} refuses ${form} without shared memory: ${WAY_OUT}`
}

/** Whether the domain says so itself (libvirt src/qemu/qemu_validate.c, qemuValidateDomainDefVhostUserRequireSharedMemory). */
function hasSharedMemory(root: XmlElement): boolean {
  const common = childOf(childOf(root, 'memoryBacking'), 'access')?.attributes.mode
  const cells = childrenOf(childOf(childOf(root, 'cpu'), 'numa'), 'cell')
  if (cells.length === 0) return common === 'shared'
  return cells.every(({ attributes }) => (attributes.memAccess ?? common) === 'shared')
}
