import type { PciDevice } from '../host/facts.js'
import { hasWideDomain } from '../units/pci-address.js'
import { LONGEST_RESOURCE_CLASS, renamed, resourceClass } from './names.js'
import type { Exported, ExportSubject, Withheld } from './subject.js'

const HAS_LISTED_VFS = 'virtual functions of it are listed'
/** nova/pci/devspec.py, MAX_DOMAIN: nova-compute does not start. */
const HAS_WIDE_DOMAIN = 'Nova takes no PCI domain above ffff'

/**
 * Makes the `[pci]` section of nova-compute's configuration: each device by its address, since Nova refuses `devname` for what
 * has no interface (nova/pci/devspec.py). libvirt binds them itself, so what only has to be bound counts as well. A physical
 * function of which virtual ones are listed is left out: Nova must not have both.
 * @throws {UserError} see `renamed`
 */
export function novaPci({ offers }: ExportSubject, withheld: Withheld): Exported {
  const named = renamed(offers, resourceClass, LONGEST_RESOURCE_CLASS)
  const notes: string[] = []
  const usable = named.map((offer) => ({
    ...offer,
    devices: offer.units.flatMap((unit) => (withheld(unit) === null ? unit.devices : [])),
  }))
  const parents = new Set(
    usable.flatMap(({ devices }) => devices.flatMap(({ virtualFunction }) => virtualFunction?.pf ?? [])),
  )
  const lines = [
    '# Made by qemu-rt export nova-pci, for nova-compute.',
    '[pci]',
    '# One alias for each NIC. nova-api needs it as well. resource_class needs Nova 2023.1 or later, with report_in_placement',
    '# here and filter_scheduler.pci_in_placement at the scheduler; Nova before that selects by vendor and product alone.',
  ]
  for (const { name, as, devices } of usable) {
    const given = devices.filter(({ address }) => {
      const why = parents.has(address) ? HAS_LISTED_VFS : hasWideDomain(address) ? HAS_WIDE_DOMAIN : null
      if (why !== null) notes.push(`NIC '${name}': ${address} is left out, since ${why}`)
      return why === null
    })
    const [first] = given
    if (first === undefined) continue
    lines.push(`# alias = ${json({ name, resource_class: as, device_type: deviceType(first) })}`)
    for (const { address } of given) lines.push(`device_spec = ${json({ address, resource_class: as })}`)
  }
  return { text: `${lines.join('\n')}\n`, notes }
}

/** As Nova tells them apart (nova/virt/libvirt/host.py, `_get_pcidev_info`). */
function deviceType({ virtualFunction, sriov }: PciDevice): string {
  if (virtualFunction !== null) return 'type-VF'
  return sriov !== null && sriov.total > 0 ? 'type-PF' : 'type-PCI'
}

function json(value: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(value).map(([key, one]) => `${JSON.stringify(key)}: ${JSON.stringify(one)}`)
  return `{${pairs.join(', ')}}`
}
