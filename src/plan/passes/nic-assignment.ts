import type { Properties } from '../../argv/properties.js'
import { replacedDeviceMissing } from '../../errors/nics.js'
import type { PciDevice } from '../../host/facts.js'
import type { Edit } from '../edit.js'
import { type AssignableHost, type Assignment, assignNics } from '../nics/assign.js'
import { describeDevice } from '../nics/describe.js'
import { obstacle } from '../nics/readiness.js'
import { collectRequests, vfioDevices } from '../nics/requests.js'
import type { Pass, PassInput, PlannedNic } from '../pass.js'

/**
 * Turns every named NIC request into the PCI address that it means on this host: `host=nic:NAME`, `--nic`, and the
 * `nics` of the `[[domain]]` entry. Management picks by vendor and device ID, which four equal NICs share.
 */
export const nicAssignment: Pass = {
  name: 'nic-assignment',
  run(input) {
    const { useOf } = input.host
    const assignments = assignRequested(input, (device, pci) => obstacle(device, pci, useOf))
    if (assignments.length === 0) return { edits: [] }
    return {
      edits: assignments.flatMap(edit),
      nics: plannedNics(assignments, input.host.pci),
      warnings: input.host.inventoryWarnings.map((text) => ({ kind: 'stale-entry', text })),
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
  const devices = vfioDevices(line)
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
  return assignNics(requests, devices, { ...host, policy, held, holds: () => held, assigned, obstacleOf })
}

function edit({ request, device, present }: Assignment): Edit[] {
  if (present !== null) return []
  const reason = `NIC '${request.name}' is ${describeDevice(device)}${location(device)}`
  if (!('device' in request)) {
    const rest = request.rest === '' ? '' : `,${request.rest}`
    return [{ kind: 'append', option: 'device', argument: `vfio-pci,host=${device.address}${rest}`, reason }]
  }
  const { index, properties } = request.device
  // A mediated device is named by sysfsdev instead of host; QEMU takes only one of them.
  const named = withoutOpened(properties).set('host', device.address).delete('sysfsdev')
  return [{ kind: 'replace', index, argument: named.text, reason }]
}

/**
 * libvirt 12.8 opens a `<hostdev>` with `iommufd='yes'` itself and writes `fd` in place of `host`: that is the device which
 * gives way, and QEMU prefers `fd` (hw/vfio/device.c, vfio_device_get_name). The named one is opened by its group, whose
 * node was checked.
 */
function withoutOpened(properties: Properties): Properties {
  const isOpened = properties.get('host') === undefined && properties.get('sysfsdev') === undefined
  return isOpened ? properties.delete('fd').delete('iommufd') : properties
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

function planned({ request, device, present }: Assignment, pci: readonly PciDevice[]): PlannedNic {
  return {
    name: request.name,
    device: present?.id ?? ('device' in request ? request.device.id : request.id),
    address: device.address,
    iommuGroup: device.iommuGroup,
    numaNode: device.numaNode,
    ready: obstacle(device, pci) === null,
  }
}
