import type { Properties } from '../../argv/properties.js'
import type { Policy } from '../../config/policy.js'
import {
  deviceHeld,
  groupInTwoSpaces,
  nicNotReady,
  nicUsedTwice,
  passedDeviceStays,
  poolExhausted,
} from '../../errors/nics.js'
import type { HostFacts, PciDevice } from '../../host/facts.js'
import type { AssignedNic } from '../../record/vm.js'
import { comparePciAddresses, type PciAddress } from '../../units/pci-address.js'
import { isOnVfio } from '../../units/pci-driver.js'
import { describeHolding, type HeldLease, holdingOf } from '../leases.js'
import { describeDevice, shorten } from './describe.js'
import { type FoundNic, findNic } from './find.js'
import type { KnownHost } from './known-host.js'
import type { Obstacle } from './readiness.js'
import type { NicRequest, Opening, VfioDevice } from './requests.js'
import { selectDevices } from './select.js'

/** A request and the device it gets. */
export interface Assignment {
  readonly request: NicRequest
  readonly device: PciDevice
  /** The command line's own device that has it already; null when one has to be made or changed. */
  readonly present: VfioDevice | null
  /** How QEMU is to open it. */
  readonly opening: Opening
}

/** What devices are given from, and who has which already. */
export interface AssignableHost extends KnownHost, Pick<HostFacts, 'toBind'> {
  readonly policy: Policy
  /** What other VMs hold. */
  readonly held: readonly HeldLease[]
  /** Devices that were chosen for this VM before, by the NIC's name: it gets these. */
  readonly assigned: readonly AssignedNic[]
  /** What keeps a device from being given; null when nothing does. */
  readonly obstacleOf: (device: PciDevice, pci: readonly PciDevice[], opening: Opening) => Obstacle | null
  /** How QEMU opens a device with such properties. */
  readonly openingOf: (properties: Properties | null) => Opening
}

/** Who has a device in this command line, for a message: `device 'hostdev0'`. */
type Holders = Map<PciAddress, string>

interface Sought {
  readonly request: NicRequest
  readonly nic: FoundNic
}

/**
 * Gives every request a device, but for an entry of a domain's list that another request fulfils already. Requests for
 * one certain device go first, so that no pool takes it from them, then pools, the smallest first; a pool gives its first
 * free device, see `orderInPool`.
 * @param devices the command line's vfio-pci devices; their addresses are taken
 * @throws {UserError} exit 69 or 77, see `findNic` and `obstacle`
 */
export function assignNics(
  requests: readonly NicRequest[],
  devices: readonly VfioDevice[],
  host: AssignableHost,
): Assignment[] {
  const sought = requests.map((request) => ({ request, nic: findAssigned(request.name, host) }))
  const held = holders(requests, devices)
  const assignments = new Map<NicRequest, Assignment>()
  const counted = new Set<VfioDevice | Assignment>()
  for (const one of [...sought].sort(byCertainty)) {
    const other = one.request.kind === 'ensure' ? fulfilment(one.nic, assignments, counted) : null
    if (other !== null) {
      counted.add(other)
      continue
    }
    const assignment = assign(one, devices, counted, held, host)
    held.set(assignment.device.address, holderName(one.request))
    assignments.set(one.request, assignment)
  }
  return requests.flatMap((request) => assignments.get(request) ?? [])
}

/** Certain devices before pools, smaller pools before larger ones, and a list's entries after what may fulfil them. */
function byCertainty(a: Sought, b: Sought): number {
  return (
    Number(a.nic.pool) - Number(b.nic.pool) ||
    a.nic.devices.length - b.nic.devices.length ||
    Number(a.request.kind === 'ensure') - Number(b.request.kind === 'ensure')
  )
}

/** A request of another kind that has got one of a NIC's devices, and that no other entry of the list counts on. */
function fulfilment(
  nic: FoundNic,
  assignments: ReadonlyMap<NicRequest, Assignment>,
  counted: ReadonlySet<VfioDevice | Assignment>,
): Assignment | null {
  const others = [...assignments.values()].filter(({ request }) => request.kind !== 'ensure')
  return others.find((one) => nic.devices.includes(one.device) && !counted.has(one)) ?? null
}

function assign(
  { request, nic }: Sought,
  devices: readonly VfioDevice[],
  counted: Set<VfioDevice | Assignment>,
  held: Holders,
  host: AssignableHost,
): Assignment {
  const present = presentDevice(request, nic, devices, counted, held)
  if (present !== null) counted.add(present)
  const own = 'device' in request ? request.device : null
  const properties = 'properties' in request ? request.properties : request.device.properties
  const opening = host.openingOf(present?.properties ?? properties)
  const wanted = { nic, opening, passed: own?.passed == null ? null : own }
  const device = nic.devices.find(({ address }) => address === present?.address) ?? choose(wanted, held, host)
  const holding = holdingOf(host.held, device, host.pci)
  if (holding !== undefined) {
    const why = describeHolding(holding, device)
    throw deviceHeld({ what: `NIC '${nic.name}'`, why, device: describeDevice(device) })
  }
  return { request, device, present, opening }
}

/**
 * What a name stands for: the devices that root chose for it before, by serial numbers that this user may not be able to
 * read; else what the host shows.
 */
function findAssigned(name: string, host: AssignableHost): FoundNic {
  const { policy, pci, assigned } = host
  const chosen = pci.filter(({ address }) =>
    assigned.some((one) => one.name === name && one.address === address),
  )
  if (chosen.length === 0) return findNic(name, policy, host)
  const nic = policy.nics[name]
  const place = nic === undefined ? null : () => policy.place(['nic', name])
  return { name, pool: nic?.pool ?? false, devices: chosen, place }
}

/** A NIC to choose a device for, and how QEMU would open that. */
interface Wanted {
  readonly nic: FoundNic
  readonly opening: Opening
  /** The command line's device whose place it takes, when that was opened before QEMU starts. */
  readonly passed: VfioDevice | null
}

function choose(wanted: Wanted, held: Holders, host: AssignableHost): PciDevice {
  return wanted.nic.pool ? chooseFromPool(wanted, held, host) : only(wanted, held, host)
}

function only(
  { nic, opening, passed }: Wanted,
  held: Holders,
  { pci, obstacleOf }: AssignableHost,
): PciDevice {
  const [device] = nic.devices
  if (device === undefined) throw new RangeError(`NIC ${nic.name} has no device`)
  const other = held.get(device.address)
  if (other !== undefined) throw nicUsedTwice({ name: nic.name, device: describeDevice(device), other })
  const trouble = obstacleOf(device, pci, opening)
  const why = whyNotBeside(device, opening, held, pci)
  if (trouble === null && why !== null)
    throw groupInTwoSpaces({ name: nic.name, why, device: describeDevice(device) })
  if (trouble === null) return device
  if (passed === null) throw nicNotReady({ name: nic.name, ...trouble })
  throw passedDeviceStays({ name: nic.name, other: label(passed), fd: passed.passed ?? '', ...trouble })
}

function chooseFromPool({ nic, opening }: Wanted, held: Holders, host: AssignableHost): PciDevice {
  const { pci, held: leases, obstacleOf } = host
  const ordered = orderInPool(nic.devices, host)
  const taken = (device: PciDevice) => {
    const holding = holdingOf(leases, device, pci)
    if (holding !== undefined) return describeHolding(holding, device, 'taken')
    const other = held.get(device.address)
    return other === undefined ? whyNotBeside(device, opening, held, pci) : `is taken by ${other}`
  }
  const isFree = (device: PciDevice) => taken(device) === null && obstacleOf(device, pci, opening) === null
  const free = firstToGive(ordered, isFree, host)
  if (free !== undefined) return free
  const reasons = ordered.map((device) => {
    const why = taken(device)
    return why === null ? obstacleOf(device, pci, opening)?.what : `${device.address} ${why}`
  })
  const place = nic.place?.() ?? null
  const mayPass = nic.devices.some((device) => holdingOf(leases, device, pci) !== undefined)
  throw poolExhausted({ name: nic.name, place, devices: shorten(reasons.map(String)), mayPass })
}

/**
 * Why a device cannot be in this command line beside others of its group: VFIO gives a group one address space ("group 13 used in
 * multiple address spaces", QEMU hw/vfio/common.c, vfio_get_group), and so does iommufd (Linux drivers/iommu/iommufd/device.c,
 * iommufd_hw_pagetable_attach).
 */
function whyNotBeside(
  { address, iommuGroup }: PciDevice,
  { isApart }: Opening,
  held: Holders,
  pci: readonly PciDevice[],
): string | null {
  if (!isApart || iommuGroup === null) return null
  const [other] = pci.filter(
    (one) => one.iommuGroup === iommuGroup && one.address !== address && held.has(one.address),
  )
  if (other === undefined) return null
  return `is in IOMMU group ${iommuGroup} with ${held.get(other.address)}, and QEMU gives each device an address space of its own beside the guest's IOMMU`
}

/**
 * The order in which a pool gives its devices: by NUMA node; those on a VFIO driver, since others are taken from the host;
 * those that no entry names as its one device, which other VMs ask for; by address.
 */
function orderInPool(devices: readonly PciDevice[], host: AssignableHost): PciDevice[] {
  const certain = Object.values(host.policy.nics).filter(({ pool }) => !pool)
  const named = new Set(certain.flatMap((nic) => selectDevices(nic, host)))
  const ranksOf = (device: PciDevice) => [
    device.numaNode ?? Number.MAX_SAFE_INTEGER,
    Number(!isBound(device, host)),
    Number(named.has(device)),
  ]
  const byRanks = (a: readonly number[], b: readonly number[]) =>
    a.map((rank, index) => rank - (b[index] ?? 0)).find((difference) => difference !== 0) ?? 0
  return devices
    .map((device) => ({ device, ranks: ranksOf(device) }))
    .sort((a, b) => byRanks(a.ranks, b.ranks) || comparePciAddresses(a.device.address, b.device.address))
    .map(({ device }) => device)
}

function isBound(device: PciDevice, { toBind }: AssignableHost): boolean {
  return isOnVfio(device) && toBind?.has(device.address) !== true
}

/**
 * The first free device, but for those on a VFIO driver that a program without lease may have open, as a switch. To look
 * whether one has takes long: it is done where there is another device, which is bound only when it is given.
 */
function firstToGive(
  ordered: readonly PciDevice[],
  isFree: (device: PciDevice) => boolean,
  host: AssignableHost,
): PciDevice | undefined {
  const first = ordered.find(isFree)
  if (first === undefined || !isBound(first, host)) return first
  if (!ordered.some((device) => !isBound(device, host) && isFree(device))) return first
  const mayBeOpen = host.mayBeOpen ?? (() => true)
  return ordered.find((device) => isFree(device) && !(isBound(device, host) && mayBeOpen(device)))
}

/** Addresses that the command line holds whatever is asked for: those of devices that no request changes. */
function holders(requests: readonly NicRequest[], devices: readonly VfioDevice[]): Holders {
  const changed = requests.flatMap((request) => ('device' in request ? [request.device] : []))
  const kept = devices.filter((device) => !changed.includes(device))
  return new Map(kept.flatMap((device) => (device.address === null ? [] : [[device.address, label(device)]])))
}

/**
 * The command line's device that fulfils a request as it stands: for a replacement the device itself when it is one of
 * the NIC's already, for a domain's list any device of the NIC that no other entry of the list counts on. So a plan made
 * from a plan's own output changes nothing.
 */
function presentDevice(
  request: NicRequest,
  nic: FoundNic,
  devices: readonly VfioDevice[],
  counted: ReadonlySet<VfioDevice | Assignment>,
  held: Holders,
): VfioDevice | null {
  const isOne = (device: VfioDevice) => nic.devices.some(({ address }) => address === device.address)
  if (request.kind === 'replace') {
    const { device } = request
    // Another request may have got its address before.
    return isOne(device) && device.address !== null && !held.has(device.address) ? device : null
  }
  if (request.kind !== 'ensure') return null
  return devices.find((device) => isOne(device) && !counted.has(device)) ?? null
}

function holderName(request: NicRequest): string {
  return 'device' in request ? label(request.device) : `NIC '${request.name}'`
}

/** A device of the command line in a message: `device 'hostdev0'`. */
export function label(device: VfioDevice): string {
  return device.id === null ? `a vfio-pci device without id` : `device '${device.id}'`
}
