import type { CommandLine } from '../../argv/command-line.js'
import { type Properties, parseProperties } from '../../argv/properties.js'
import { deviceHeld, passedDeviceUnknown, replacedDeviceMissing } from '../../errors/nics.js'
import type { PciDevice } from '../../host/facts.js'
import { hasWideDomain, type PciAddress } from '../../units/pci-address.js'
import type { Edit } from '../edit.js'
import { describeHolding, holdingOf } from '../leases.js'
import { machineType } from '../memory/guest-ram.js'
import { type AssignableHost, type Assignment, assignNics, label } from '../nics/assign.js'
import { describeDevice } from '../nics/describe.js'
import { busToName, freeSlots, hasPlace, losesSlot } from '../nics/free-slots.js'
import { followsJson } from '../nics/guest-iommu.js'
import { deviceAsJson } from '../nics/json-device.js'
import { obstacle } from '../nics/readiness.js'
import {
  collectRequests,
  IDENTITY,
  type NicRequest,
  openingOf,
  type VfioDevice,
  vfioDevices,
} from '../nics/requests.js'
import type { Pass, PassInput, PlannedNic } from '../pass.js'
import { type Warning, warning } from '../warning.js'

/**
 * Turns every named NIC request into the PCI address that it means on this host: `host=nic:NAME`, `--nic`, and the
 * `nics` of the `[[domain]]` entry. Management picks by vendor and device ID, which four equal NICs share.
 */
export const nicAssignment: Pass = {
  name: 'nic-assignment',
  run(input) {
    const { useOf, pci, passed, inventoryWarnings } = input.host
    const assignments = assignRequested(input, (device, all, opening) =>
      obstacle(device, all, useOf, opening),
    )
    const kept = keptDevices(vfioDevices(input.line, passed), assignments)
    checkFree(kept, input)
    if (assignments.length === 0) return { edits: [] }
    return {
      edits: editsOf(assignments, input),
      nics: plannedNics(assignments, pci),
      warnings: [
        ...inventoryWarnings.map((text) => warning('stale-entry', text)),
        ...aboutUnknown(kept, input),
      ],
    }
  },
}

/** What the assignment looks at. */
export type AssignmentInput = Pick<
  PassInput,
  'line' | 'policy' | 'host' | 'domain' | 'nics' | 'held' | 'assigned'
>

/**
 * Finds the device for each named NIC that is asked for.
 * @param obstacleOf what keeps a device from being given
 * @throws {UserError} see `collectRequests` and `assignNics`
 */
export function assignRequested(
  { line, policy, host, domain, nics, held, assigned }: AssignmentInput,
  obstacleOf: AssignableHost['obstacleOf'],
): Assignment[] {
  const devices = vfioDevices(line, host.passed)
  const known = devices.flatMap(({ id }) => id ?? [])
  const requests = collectRequests(devices, { nics, domain: domain?.nics ?? null }, (id, nic) =>
    replacedDeviceMissing({
      id,
      nic,
      known,
      place: domain?.place(id) ?? '',
      toAdd: domain?.toAdd(nic) ?? '',
    }),
  )
  return assignNics(requests, devices, {
    ...host,
    policy,
    held,
    holds: () => held,
    assigned,
    obstacleOf,
    openingOf: (properties) => openingOf(properties, line, host.iommuNode),
  })
}

/** Devices of the command line that stay the ones that they are. */
function keptDevices(devices: readonly VfioDevice[], assignments: readonly Assignment[]): VfioDevice[] {
  const changed = assignments.flatMap(({ request, present }) =>
    'device' in request && present === null ? [request.device.index] : [],
  )
  return devices.filter(({ index }) => !changed.includes(index))
}

/** What a person or libvirt names by its address is theirs to name, and another VM's as long as that holds it. */
function checkFree(devices: readonly VfioDevice[], { held, host }: PassInput): void {
  for (const one of devices) {
    if (one.address === null) continue
    const found = host.pci.find(({ address }) => address === one.address)
    const device = found ?? { address: one.address, iommuGroup: null }
    const holding = holdingOf(held, device, host.pci)
    if (holding === undefined) continue
    throw deviceHeld({
      what: label(one),
      why: describeHolding(holding, device),
      device: found === undefined ? one.address : describeDevice(found),
    })
  }
}

/**
 * Of devices that are passed open in a way that cannot be looked at here.
 * @throws {UserError} exit 69 where it could, and there is none
 */
function aboutUnknown(devices: readonly VfioDevice[], { host }: PassInput): Warning[] {
  return devices
    .filter(({ isUnknown }) => isUnknown)
    .map((device): Warning => {
      const facts = { other: label(device), fd: device.passed ?? '' }
      if (host.passed != null) throw passedDeviceUnknown(facts)
      const text = `${facts.other} is passed open (fd=${facts.fd}), and which device it is is unknown here: it may be a NIC that is given besides`
      return warning('other-device', text)
    })
}

function editsOf(assignments: readonly Assignment[], { line, arch }: PassInput): Edit[] {
  const machine = machineType(line, arch)
  const slots = freeSlots(line, machine)
  const bus = busToName(line, machine)
  return assignments.flatMap(({ request, device, present }): Edit[] => {
    if (present !== null) return []
    const reason = `NIC '${request.name}' is ${describeDevice(device)}${location(device)}`
    if (!('device' in request)) {
      const made = added(device.address, request, slots, bus)
      const { argument, why } = inTime(line, made)
      return [{ kind: 'append', option: 'device', argument, reason: `${reason}${why}` }]
    }
    const { index, properties } = request.device
    const named = withAddress(renamed(properties, request.kind === 'replace'), device.address)
    const slot = !hasPlace(properties) && losesSlot(line, index, machine) ? slots.shift() : undefined
    const { argument, why } = inTime(line, slot === undefined ? named : placed(named, slot, bus))
    if (slot === undefined) return [{ kind: 'replace', index, argument, reason: `${reason}${why}` }]
    const moved = `; it gets slot ${slotText(slot)}, since QEMU would give it the slot of another device`
    return [{ kind: 'replace', index, argument, reason: `${reason}${moved}${why}` }]
  })
}

/**
 * @param slots loses the one that the device gets
 * @param bus see `busToName`
 */
function added(
  address: PciAddress,
  { rest, properties }: Extract<NicRequest, { readonly rest: string }>,
  slots: number[],
  bus: string | null,
): Properties {
  const device = withAddress(parseProperties('vfio-pci', { impliedKey: 'driver' }), address)
  const isPlaced = properties !== null && hasPlace(properties)
  const named = properties?.get('bus') === undefined ? bus : null
  const whole = isPlaced ? device : placed(device, slots.shift(), named)
  return rest === '' ? whole : parseProperties(`${whole.text},${rest}`, { impliedKey: 'driver' })
}

/** QEMU takes no domain above ffff as `host` (hw/core/qdev-properties-system.c, set_pci_host_devaddr). */
function withAddress(device: Properties, address: PciAddress): Properties {
  if (!hasWideDomain(address)) return device.set('host', address)
  return device.delete('host').set('sysfsdev', `/sys/bus/pci/devices/${address}`)
}

function placed(device: Properties, slot: number | undefined, bus: string | null): Properties {
  const onBus = bus === null || device.get('bus') !== undefined ? device : device.set('bus', bus)
  return slot === undefined ? onBus : onBus.set('addr', slotText(slot))
}

/** A device's argument, in JSON where QEMU would make it too early otherwise, and why. */
function inTime(line: CommandLine, device: Properties): { argument: string; why: string } {
  const { text } = device
  if (text.startsWith('{') || !followsJson(line, device.get('bus'))) return { argument: text, why: '' }
  return {
    argument: deviceAsJson(device),
    why: '; in JSON, since QEMU would make it before the IOMMU or the bridge that it is behind',
  }
}

/** A slot as `addr` of -device takes it. */
function slotText(slot: number): string {
  return `0x${slot.toString(16)}`
}

/**
 * A device's properties without what says which one it is: QEMU would look at another of it first. What stands beside a
 * name is meant for it, and beside a device that is replaced for that one: a token is a physical function's.
 */
function renamed(properties: Properties, isReplaced: boolean): Properties {
  const gone = IDENTITY.filter((key) => key !== 'host')
  return [...gone, ...(isReplaced ? ['vf-token'] : [])].reduce((rest, key) => rest.delete(key), properties)
}

function location({ iommuGroup, numaNode }: PciDevice): string {
  const facts = [
    iommuGroup === null ? null : `IOMMU group ${iommuGroup}`,
    numaNode === null ? null : `NUMA node ${numaNode}`,
  ].filter((fact) => fact !== null)
  return facts.length === 0 ? '' : `, ${facts.join(', ')}`
}

/** What a plan says of the NICs that were assigned. */
export function plannedNics(assignments: readonly Assignment[], pci: readonly PciDevice[]): PlannedNic[] {
  return assignments.map((assignment) => planned(assignment, pci))
}

function planned({ request, device, present, opening }: Assignment, pci: readonly PciDevice[]): PlannedNic {
  return {
    name: request.name,
    device: present?.id ?? ('device' in request ? request.device.id : request.id),
    address: device.address,
    iommuGroup: device.iommuGroup,
    numaNode: device.numaNode,
    // One that is passed is open already.
    ready: present?.passed != null || obstacle(device, pci, undefined, opening) === null,
  }
}
