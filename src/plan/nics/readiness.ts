import { INTERRUPTS_ID, IOMMU_ID, REMAP_INTERRUPTS, TURN_ON_IOMMU } from '../../checks/judge/iommu.js'
import type { Finding } from '../../errors/finding.js'
import { EXIT, type ExitCode } from '../../errors/user-error.js'
import type { PciDevice, VfioNode } from '../../host/facts.js'
import type { UseOf } from '../../host/use/use.js'
import { isNetworkClass, nameOfClass } from '../../units/pci-class.js'
import { isOnVfio, STUB_DRIVER } from '../../units/pci-driver.js'
import { shorten } from './describe.js'
import { BY_GROUP, type Opening } from './requests.js'
import { NOTHING_KNOWN, wordsOf } from './uses.js'

export { isOnVfio } from '../../units/pci-driver.js'

/** Why a device cannot be given to a VM now, and the command that mends it. */
export interface Obstacle extends Finding {
  readonly level: 'fail'
  readonly todo: string
  readonly exitCode: ExitCode
}

/**
 * Drivers that a group member may have besides: the kernel's stub, and the port driver of bridges, which does no DMA of
 * its own (Linux Documentation/driver-api/vfio.rst, "VFIO Usage Example").
 */
const HARMLESS_DRIVERS = new Set([STUB_DRIVER, 'pcieport'])

/**
 * Checks that QEMU can open a device through VFIO: bound to a VFIO driver, in an IOMMU group without a device that a host
 * driver has, with the /dev/vfio node that QEMU opens, and that open to this user.
 * @param useOf asked when the obstacle is told
 * @param opening how QEMU opens it
 * @returns null when it can, else the first of `obstacles`
 */
export function obstacle(
  device: PciDevice,
  pci: readonly PciDevice[],
  useOf: UseOf = NOTHING_KNOWN,
  opening: Opening = BY_GROUP,
): Obstacle | null {
  if (!isOnVfio(device)) return toldLater(() => firstToBind(device, pci, useOf))
  return (
    unfit(device) ??
    noIommu(device) ??
    foreignInGroup(device, pci, useOf) ??
    tokenMissing(device, pci, opening) ??
    interruptsUnsafe(device, opening) ??
    nodeTrouble(device, opening)
  )
}

/** A pool looks at many devices that it does not take, and of these nobody is told. */
function toldLater(make: () => Obstacle): Obstacle {
  let made: Obstacle | null = null
  const told = () => {
    made ??= make()
    return made
  }
  return {
    level: 'fail',
    exitCode: EXIT.unavailable,
    get id() {
      return told().id
    },
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
  opening: Opening = BY_GROUP,
): Obstacle | null {
  const uses = useOf === undefined || isOnVfio(device) ? [] : obstaclesOfUse(device, useOf)
  return (
    uses[0] ??
    unfit(device) ??
    noIommu(device) ??
    foreignInGroup(device, others(device, pci), useOf ?? NOTHING_KNOWN) ??
    tokenMissing(device, pci, opening) ??
    interruptsUnsafe(device, opening) ??
    (opening.by === 'iommufd' ? cdevUnknown(device) : null)
  )
}

/** Which node of its own a device will have is known when it is bound, and libvirt has to let QEMU see it before. */
function cdevUnknown({ address, cdev = null }: PciDevice): Obstacle | null {
  if (cdev !== null && cdev.access !== 'missing') return null
  return {
    id: 'nic.iommufd-node',
    level: 'fail',
    what: `${address} has no node in /dev/vfio/devices, and iommufd= opens it by that`,
    todo: `run as root: qemu-rt nics bind ${address}; or take iommufd= out (libvirt: iommufd='yes'), so that QEMU opens the IOMMU group`,
    exitCode: EXIT.unavailable,
  }
}

/**
 * Lists all that keeps a device from being given to a VM, the host's own use first. To bind a device is the last step,
 * and is advised when nothing else is left to do.
 * @returns nothing when QEMU can open it
 */
export function obstacles(device: PciDevice, pci: readonly PciDevice[], useOf: UseOf): Obstacle[] {
  const group = unfit(device) ?? noIommu(device) ?? foreignInGroup(device, others(device, pci), useOf)
  const token = tokenMissing(device, pci, BY_GROUP)
  const interrupts = interruptsUnsafe(device, BY_GROUP)
  if (isOnVfio(device)) {
    const node = noIommu(device) === null ? nodeTrouble(device, BY_GROUP) : null
    return [group, token, interrupts, node].filter((trouble) => trouble !== null)
  }
  const before = [...obstaclesOfUse(device, useOf), group, token, interrupts].filter((one) => one !== null)
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
        id: 'nic.used-by-host',
        level: 'fail',
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
    id: 'nic.driver',
    level: 'fail',
    what: `${address} is bound to ${holder}, not to vfio-pci`,
    todo: `run as root: qemu-rt nics bind ${address}`,
    exitCode: EXIT.unavailable,
  }
}

/** Checks that VFIO could give a device to a VM at all, whatever driver it has. */
export function unfit(device: PciDevice): Obstacle | null {
  return noGroup(device) ?? silent(device) ?? keptByFirmware(device)
}

/** VFIO opens no such device: it cannot be reset, and QEMU finds no header of any kind that it knows. */
function silent({ address, isGone }: PciDevice): Obstacle | null {
  if (isGone?.() !== true) return null
  return {
    id: 'nic.silent',
    level: 'fail',
    what: `${address} does not answer: its configuration space reads as ones`,
    todo: `choose another NIC; see what the kernel says of it (dmesg, as root), then reseat the card, or turn the host's power off and on`,
    exitCode: EXIT.unavailable,
  }
}

/** Without an IOMMU group VFIO cannot give a device to a VM. */
function noGroup({ address, iommuGroup }: PciDevice): Obstacle | null {
  if (iommuGroup !== null) return null
  return {
    id: IOMMU_ID,
    level: 'fail',
    what: `${address} is in no IOMMU group`,
    todo: TURN_ON_IOMMU,
    exitCode: EXIT.unavailable,
  }
}

/**
 * The kernel leaves such a group where it is: "Device is ineligible for IOMMU domain attach due to platform RMRR requirement"
 * (Linux drivers/iommu/intel/iommu.c), for every kind of IOMMU since 6.6 "Firmware has requested this device have a 1:1 IOMMU
 * mapping" (drivers/iommu/iommu.c, __iommu_device_set_domain).
 */
function keptByFirmware({ address, iommuGroup, directRegion }: PciDevice): Obstacle | null {
  const region = directRegion?.() ?? null
  if (region === null) return null
  return {
    id: 'nic.firmware-memory',
    level: 'fail',
    what: `IOMMU group ${iommuGroup} of ${address} is mapped to the firmware's memory ${region}, and the kernel gives no such device to a VM`,
    todo: 'choose another NIC; or turn off what the firmware shares memory for with that slot (HPE: conrep, RMRDS_SlotN Endpoints_Excluded; others: ask the vendor), and boot again',
    exitCode: EXIT.unavailable,
  }
}

/** The kernel makes such groups up with `vfio.enable_unsafe_noiommu_mode`; QEMU opens /dev/vfio/N alone (hw/vfio/container.c). */
function noIommu({ address, vfioNode }: PciDevice): Obstacle | null {
  if (vfioNode?.path.startsWith(`${VFIO_NODES}/noiommu-`) !== true) return null
  return {
    id: IOMMU_ID,
    level: 'fail',
    what: `${address} has no IOMMU behind it (${vfioNode.path}), and QEMU opens no such device`,
    todo: `${TURN_ON_IOMMU}, without enable_unsafe_noiommu_mode`,
    exitCode: EXIT.unavailable,
  }
}

const VFIO_NODES = '/dev/vfio'

/**
 * A virtual function whose physical function has the same VFIO driver opens only with the token that the physical function's
 * user has set (Linux 5.7 drivers/vfio/pci/vfio_pci_core.c, vfio_pci_validate_vf_token).
 */
function tokenMissing(device: PciDevice, pci: readonly PciDevice[], { hasToken }: Opening): Obstacle | null {
  const { address, virtualFunction } = device
  if (hasToken || virtualFunction === null) return null
  const pf = pci.find((one) => one.address === virtualFunction.pf)
  const willShare = pf !== undefined && isOnVfio(pf) && (!isOnVfio(device) || pf.driver === device.driver)
  if (!willShare) return null
  return {
    id: 'nic.vf-token',
    level: 'fail',
    what: `${address} is a virtual function of ${pf.address}, which ${pf.driver} has, so it opens only with the token of that one's user`,
    todo: `give ${pf.address} back to the host (qemu-rt nics unbind ${pf.address}), or write vf-token=UUID beside the NIC's name, and on the device that has ${pf.address}`,
    exitCode: EXIT.unavailable,
  }
}

/** Where nothing keeps a device's interrupts apart, a guest could raise those of the host. */
function interruptsUnsafe({ address, interruptGuards }: PciDevice, { by }: Opening): Obstacle | null {
  const guard = by === 'iommufd' ? 'iommufd' : 'vfio_iommu_type1'
  if (interruptGuards?.().includes(guard) !== true) return null
  return {
    id: INTERRUPTS_ID,
    level: 'fail',
    what: `this host does not remap interrupts, and without that ${guard} gives ${address} to no VM`,
    todo: REMAP_INTERRUPTS,
    exitCode: EXIT.unavailable,
  }
}

/** The whole group is advised to be given away when that takes nothing from the host. */
function foreignInGroup(device: PciDevice, pci: readonly PciDevice[], useOf: UseOf): Obstacle | null {
  const foreign = pci.filter(
    (one) =>
      one.iommuGroup === device.iommuGroup &&
      one.driver !== null &&
      !isOnVfio(one) &&
      !HARMLESS_DRIVERS.has(one.driver),
  )
  if (foreign.length === 0) return null
  const names = foreign.map(({ address, driver }) => `${address} (${driver})`).join(', ')
  return {
    id: 'nic.shared-group',
    level: 'fail',
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

function nodeTrouble(device: PciDevice, { by, iommu }: Opening): Obstacle | null {
  return by === 'group'
    ? (groupNodeTrouble(device) ?? containerTrouble(device))
    : (cdevTrouble(device) ?? iommuTrouble(iommu))
}

function iommuTrouble(node: VfioNode | null): Obstacle | null {
  if (node === null || node.access === 'ok') return null
  const isMissing = node.access === 'missing'
  return {
    id: 'nic.iommufd-node',
    level: 'fail',
    what: `${node.path}, which iommufd= uses, ${isMissing ? 'is missing' : 'cannot be opened by this user'}`,
    todo: isMissing
      ? 'run as root: modprobe iommufd (CONFIG_IOMMUFD); or take iommufd= out, so that QEMU opens the IOMMU group'
      : `run as root: chown USER ${node.path}; or take iommufd= out, so that QEMU opens the IOMMU group`,
    exitCode: isMissing ? EXIT.unavailable : EXIT.permission,
  }
}

function cdevTrouble({ address, cdev = null }: PciDevice): Obstacle | null {
  if (cdev?.access === 'ok') return null
  if (cdev?.access === 'denied') {
    return {
      id: 'nic.iommufd-node',
      level: 'fail',
      what: `${cdev.path} of ${address} cannot be opened by this user, and iommufd= opens it by that`,
      todo: `run as root: chown USER ${cdev.path}, or take iommufd= out, so that QEMU opens the IOMMU group`,
      exitCode: EXIT.permission,
    }
  }
  return {
    id: 'nic.iommufd-node',
    level: 'fail',
    what: `${address} has no node in /dev/vfio/devices, and iommufd= opens it by that`,
    todo: "take iommufd= out (libvirt: iommufd='yes'), so that QEMU opens the IOMMU group; or use a kernel with CONFIG_VFIO_DEVICE_CDEV",
    exitCode: EXIT.unavailable,
  }
}

/** The container is everybody's (mode 0666) unless a rule of udev's or an engine of containers has changed that. */
function containerTrouble({ vfioNode, vfioContainer, cdev = null }: PciDevice): Obstacle | null {
  if (vfioNode === null || vfioContainer === undefined || vfioContainer.access === 'ok') return null
  const { path, access } = vfioContainer
  const isMissing = access === 'missing'
  const what = `${path}, which QEMU opens ${vfioNode.path} with, ${isMissing ? 'is missing' : 'cannot be opened by this user'}`
  return {
    id: 'nic.node',
    level: 'fail',
    what,
    todo: isMissing
      ? toHaveContainer(vfioNode, cdev)
      : `run as root: chmod 0666 ${path}, the mode that the kernel gives it`,
    exitCode: isMissing ? EXIT.unavailable : EXIT.permission,
  }
}

function toHaveContainer(group: VfioNode, cdev: VfioNode | null): string {
  if (cdev?.access === 'ok')
    return 'this kernel may have no VFIO containers (CONFIG_VFIO_CONTAINER): add -object iommufd,id=iommufd0 and iommufd=iommufd0 to the device'
  return (
    'run as root: modprobe vfio; if it is there on the host, give it to the container that QEMU runs in, or, where libvirt hides it, ' +
    `add "/dev/vfio/vfio" and "${group.path}" to cgroup_device_acl in /etc/libvirt/qemu.conf`
  )
}

function groupNodeTrouble({ address, vfioNode, cdev = null }: PciDevice): Obstacle | null {
  if (vfioNode === null || vfioNode.access === 'ok') return null
  if (vfioNode.access === 'missing' && cdev?.access === 'ok') {
    return {
      id: 'nic.node',
      level: 'fail',
      what: `${vfioNode.path} of ${address} is missing, and there is ${cdev.path}`,
      todo: 'this kernel has no VFIO groups (CONFIG_VFIO_GROUP): add -object iommufd,id=iommufd0 and iommufd=iommufd0 to the device',
      exitCode: EXIT.unavailable,
    }
  }
  if (vfioNode.access === 'missing') {
    return {
      id: 'nic.node',
      level: 'fail',
      what: `${vfioNode.path} of ${address} is missing`,
      todo:
        `run as root: modprobe vfio-pci && qemu-rt nics bind ${address}; if it is there on the host, libvirt hides it: ` +
        `add "/dev/vfio/vfio" and "${vfioNode.path}" to cgroup_device_acl in /etc/libvirt/qemu.conf`,
      exitCode: EXIT.unavailable,
    }
  }
  return {
    id: 'nic.node',
    level: 'fail',
    what: `${vfioNode.path} of ${address} cannot be opened by this user`,
    todo: `run as root: chown USER ${vfioNode.path} (libvirt's QEMU user is libvirt-qemu or qemu), or install libvirt's hook`,
    exitCode: EXIT.permission,
  }
}
