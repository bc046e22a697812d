import { EXIT, type ExitCode } from '../../errors/user-error.js'
import type { PciDevice } from '../../host/facts.js'
import type { UseOf } from '../../host/use/use.js'
import { isNetworkClass, nameOfClass } from '../../units/pci-class.js'
import { isVfioDriver, STUB_DRIVER } from '../../units/pci-driver.js'
import { shorten } from './describe.js'
import { BY_GROUP, type Opening } from './opening.js'
import { NOTHING_KNOWN, wordsOf } from './uses.js'

export { isVfioDriver } from '../../units/pci-driver.js'

/** Why a device cannot be given to a VM now, and the command that mends it. */
export interface Obstacle {
  readonly what: string
  readonly todo: string
  readonly exitCode: ExitCode
}

/**
 * Drivers that a group member may have besides: the kernel's stub, and the port driver of bridges, which does no DMA of
 * its own (Linux Documentation/driver-api/vfio.rst, "VFIO Usage Example").
 */
const HARMLESS_DRIVERS = new Set([STUB_DRIVER, 'pcieport'])

/**
 * Checks that QEMU can open a device through VFIO: bound to vfio-pci, in an IOMMU group without a device that a host
 * driver has, with a /dev/vfio node that this user may open.
 * @param useOf asked when the obstacle is told
 * @returns null when it can, else the first of `obstacles`
 */
export function obstacle(
  device: PciDevice,
  pci: readonly PciDevice[],
  useOf: UseOf = NOTHING_KNOWN,
  opening: Opening = BY_GROUP,
): Obstacle | null {
  if (!isVfioDriver(device.driver)) return toldLater(() => firstToBind(device, pci, useOf))
  return noGroup(device) ?? foreignInGroup(device, pci, useOf) ?? nodeTrouble(device, opening)
}

/** A pool looks at many devices that it does not take, and of these nobody is told. */
function toldLater(make: () => Obstacle): Obstacle {
  let made: Obstacle | null = null
  const told = () => {
    made ??= make()
    return made
  }
  return {
    exitCode: EXIT.unavailable,
    get what() {
      return told().what
    },
    get todo() {
      return told().todo
    },
  }
}

function firstToBind(device: PciDevice, pci: readonly PciDevice[], useOf: UseOf): Obstacle {
  return obstacleToBinding(device, pci, useOf) ?? notBound(device)
}

/**
 * Checks that a device can be taken from the host and bound to vfio-pci for a VM, as root.
 * @param useOf without it, whether the host uses the device itself is the caller's to check
 * @returns null when it can, or is already
 */
export function obstacleToBinding(
  device: PciDevice,
  pci: readonly PciDevice[],
  useOf?: UseOf,
): Obstacle | null {
  const uses = useOf === undefined || isVfioDriver(device.driver) ? [] : obstaclesOfUse(device, useOf)
  return uses[0] ?? noGroup(device) ?? foreignInGroup(device, others(device, pci), useOf ?? NOTHING_KNOWN)
}

/**
 * Lists all that keeps a device from being given to a VM, the host's own use first. To bind a device is the last step,
 * and is advised when nothing else is left to do.
 * @returns nothing when QEMU can open it
 */
export function obstacles(device: PciDevice, pci: readonly PciDevice[], useOf: UseOf): Obstacle[] {
  const group = noGroup(device) ?? foreignInGroup(device, others(device, pci), useOf)
  if (isVfioDriver(device.driver)) {
    return [group, nodeTrouble(device, BY_GROUP)].filter((trouble) => trouble !== null)
  }
  const before = [...obstaclesOfUse(device, useOf), ...(group === null ? [] : [group])]
  const unbound = notBound(device)
  return before.length === 0 ? [unbound] : [...before, { ...unbound, todo: 'see to the above first' }]
}

/** What the host uses a device for, one obstacle a kind of use. */
export function obstaclesOfUse(device: PciDevice, useOf: UseOf): Obstacle[] {
  const uses = useOf(device)
  return [...new Set(uses.map(({ kind }) => kind))].flatMap((kind) => {
    const [first, ...more] = uses.filter((use) => use.kind === kind)
    if (first === undefined) return []
    const { what, todo } = wordsOf(first, device.address)
    return [
      {
        what: more.length === 0 ? what : `${what}, and ${more.length} more`,
        todo,
        exitCode: EXIT.unavailable,
      },
    ]
  })
}

function others(device: PciDevice, pci: readonly PciDevice[]): PciDevice[] {
  return pci.filter(({ address }) => address !== device.address)
}

function notBound({ address, driver, interfaces }: PciDevice): Obstacle {
  const names = interfaces.map(({ name }) => name).join(', ')
  const holder = driver === null ? 'no driver' : `${driver}${names === '' ? '' : ` (${names})`}`
  return {
    what: `${address} is bound to ${holder}, not to vfio-pci`,
    todo: `run as root: qemu-rt nics bind ${address}`,
    exitCode: EXIT.unavailable,
  }
}

/** Checks that a device is in an IOMMU group, without which VFIO cannot give it to a VM. */
export function noGroup({ address, iommuGroup }: PciDevice): Obstacle | null {
  if (iommuGroup !== null) return null
  return {
    what: `${address} is in no IOMMU group`,
    todo: 'turn on VT-d or AMD-Vi in the firmware and boot with intel_iommu=on (Intel) iommu=pt',
    exitCode: EXIT.unavailable,
  }
}

/** The whole group is advised to be given away when that takes nothing from the host. */
function foreignInGroup(device: PciDevice, pci: readonly PciDevice[], useOf: UseOf): Obstacle | null {
  const foreign = pci.filter(
    ({ iommuGroup, driver }) =>
      iommuGroup === device.iommuGroup &&
      driver !== null &&
      !isVfioDriver(driver) &&
      !HARMLESS_DRIVERS.has(driver),
  )
  if (foreign.length === 0) return null
  const names = foreign.map(({ address, driver }) => `${address} (${driver})`).join(', ')
  return {
    what: `IOMMU group ${device.iommuGroup} of ${device.address} also holds ${names}`,
    get todo() {
      return `move the card to a slot of its own, or ${otherwise(foreign, useOf)}`
    },
    exitCode: EXIT.unavailable,
  }
}

function otherwise(foreign: readonly PciDevice[], useOf: UseOf): string {
  const reasons = foreign.flatMap((one) => whyKept(one, useOf) ?? [])
  if (reasons.length > 0) return `turn on ACS in the firmware, which splits the group; ${shorten(reasons)}`
  return `give the whole group away: ${foreign.map(({ address }) => `qemu-rt nics bind ${address}`).join(' && ')}`
}

/** Why a device of the group is not to be given away; null when it may be. */
function whyKept(device: PciDevice, useOf: UseOf): string | null {
  const { address, classCode } = device
  const [use] = useOf(device)
  if (use === undefined) return null
  return isNetworkClass(classCode) ? wordsOf(use, address).what : `${address} is a ${nameOfClass(classCode)}`
}

function nodeTrouble(device: PciDevice, { by }: Opening): Obstacle | null {
  return by === 'group' ? groupNodeTrouble(device) : cdevTrouble(device)
}

function cdevTrouble({ address, cdev = null }: PciDevice): Obstacle | null {
  if (cdev?.access === 'ok') return null
  if (cdev?.access === 'denied') {
    return {
      what: `${cdev.path} of ${address} cannot be opened by this user, and iommufd= opens it by that`,
      todo: `run as root: chown USER ${cdev.path}, or take iommufd= out, so that QEMU opens the IOMMU group`,
      exitCode: EXIT.permission,
    }
  }
  return {
    what: `${address} has no node in /dev/vfio/devices, and iommufd= opens it by that`,
    todo: "take iommufd= out (libvirt: iommufd='yes'), so that QEMU opens the IOMMU group; or use a kernel with CONFIG_VFIO_DEVICE_CDEV",
    exitCode: EXIT.unavailable,
  }
}

function groupNodeTrouble({ address, vfioNode }: PciDevice): Obstacle | null {
  if (vfioNode === null || vfioNode.access === 'ok') return null
  if (vfioNode.access === 'missing') {
    return {
      what: `${vfioNode.path} of ${address} is missing`,
      todo:
        `run as root: modprobe vfio-pci && qemu-rt nics bind ${address}; if it is there on the host, libvirt hides it: ` +
        `add "/dev/vfio/vfio" and "${vfioNode.path}" to cgroup_device_acl in /etc/libvirt/qemu.conf`,
      exitCode: EXIT.unavailable,
    }
  }
  return {
    what: `${vfioNode.path} of ${address} cannot be opened by this user`,
    todo: `run as root: chown USER ${vfioNode.path} (libvirt's QEMU user is libvirt-qemu or qemu), or install libvirt's hook`,
    exitCode: EXIT.permission,
  }
}
