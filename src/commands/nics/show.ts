import { writeAll } from '../../report/output.js'
import { formatTable } from '../../report/table.js'
import { printable, printableJson } from '../../units/printable.js'
import { type HostOptions, readHost } from './host.js'
import { findByNameOrAddress } from './named.js'
import { type NicView, viewNics } from './view.js'

type ShowOptions = HostOptions & { readonly format: string }

/** Prints what is known of a NIC. @throws {UserError} see `nicText` */
export async function showNic(name: string, options: ShowOptions): Promise<void> {
  writeAll(1, await nicText(name, options))
}

/**
 * Tells all that is known of the devices that a NIC's name means, and all that keeps each from being given to a VM.
 * @throws {UserError} exit 69 when the name means none, or several without `pool`
 */
export async function nicText(name: string, options: ShowOptions): Promise<string> {
  const { host, policy, useOf, warn } = await readHost(options)
  const found = findByNameOrAddress(name, policy, host)
  const nics = viewNics(host, policy, useOf, found.devices)
  warn()
  if (options.format === 'json') {
    return `${printableJson({ name, pool: found.pool, devices: nics }, 2)}\n`
  }
  const place = found.place === null ? '' : ` (${found.place()})`
  return formatNic(`NIC '${name}'${found.pool ? ', a pool' : ''}${place}`, nics)
}

/** A heading, and of each device what is known. */
export function formatNic(heading: string, nics: readonly NicView[]): string {
  return [`${printable(heading)}\n`, ...nics.map((nic) => `\n${formatTable(rows(nic))}`)].join('')
}

function rows(nic: NicView): string[][] {
  const facts: [string, unknown][] = [
    ['address', nic.address],
    ['id', nic.id],
    ['driver', nic.driver],
    [nic.fromInventory ? 'interface (saved by nics scan)' : 'interface', nic.interfaces.join(', ') || null],
    ['altnames', nic.altnames.join(', ') || null],
    ['mac', nic.macs.join(', ') || null],
    ['iommu group', nic.iommuGroup],
    ['numa node', nic.numaNode],
    ['slot', nic.slot],
    ['pf', nic.pf],
    ['vf', nic.vf],
    ['serial', nic.serial],
    ...readiness(nic),
  ]
  return facts.filter(([, value]) => value !== null).map(([label, value]) => [`  ${label}`, String(value)])
}

/** Each obstacle has a line of its own. */
function readiness({ obstacles }: NicView): [string, string][] {
  if (obstacles.length === 0) return [['ready', 'yes']]
  return obstacles.map(({ what, todo }, index) =>
    index === 0 ? ['ready', `no: ${what}; ${todo}`] : ['and', `${what}; ${todo}`],
  )
}
