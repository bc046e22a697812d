import type { Policy } from '../../config/policy.js'
import type { HostFacts } from '../../host/facts.js'
import { selectDevices } from '../../plan/nics/select.js'
import { whyNothing } from '../../plan/nics/why-nothing.js'
import { report, writeAll } from '../../report/output.js'
import { formatTable } from '../../report/table.js'
import { printableJson } from '../../units/printable.js'
import { type HostOptions, readHost } from './host.js'
import { type NicView, viewNics } from './view.js'

const HEADING = ['NAME', 'ADDRESS', 'ID', 'DRIVER', 'INTERFACE', 'MAC', 'GROUP', 'NODE', 'READY']

/** Prints the host's NICs with the names that the configuration gives them, and on stderr names that match none. */
export async function listNics(options: HostOptions & { readonly format: string }): Promise<void> {
  const { host, policy, useOf, warn } = await readHost(options)
  const nics = viewNics(host, policy, useOf)
  warn()
  for (const line of unmatched(host, policy)) report(line)
  writeAll(1, options.format === 'json' ? `${printableJson(nics, 2)}\n` : formatNics(nics))
}

/** A line for each configured NIC that matches no device: it has no line among the host's NICs. */
function unmatched(host: HostFacts, { nics }: Policy): string[] {
  return Object.entries(nics).flatMap(([name, selector]) => {
    if (selectDevices(selector, host).length > 0) return []
    const { what, todo } = whyNothing(selector, host)
    return [`NIC '${name}' matches no device: ${what}; ${todo ?? `correct [nic.${name}]`}`]
  })
}

/** One NIC a line. */
export function formatNics(nics: readonly NicView[]): string {
  return formatTable([HEADING, ...nics.map(row)])
}

function row(nic: NicView): string[] {
  const remembered = nic.fromInventory ? ' (saved)' : ''
  return [
    nic.names.join(',') || '-',
    nic.address,
    nic.id,
    nic.driver ?? '-',
    nic.interfaces.length === 0 ? '-' : nic.interfaces.join(',') + remembered,
    nic.macs.join(',') || '-',
    String(nic.iommuGroup ?? '-'),
    String(nic.numaNode ?? '-'),
    nic.ready ? 'yes' : 'no',
  ]
}
