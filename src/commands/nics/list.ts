import { findNicOrWhy } from '../../plan/nics/find.js'
import { report, writeAll } from '../../report/output.js'
import { formatTable } from '../../report/table.js'
import { printableJson } from '../../units/printable.js'
import { type HostOptions, readHost } from './host.js'
import { type NicView, viewNics } from './view.js'

const HEADING = ['NAME', 'ADDRESS', 'ID', 'DRIVER', 'INTERFACE', 'MAC', 'GROUP', 'NODE', 'READY']

/** Prints the host's NICs with the names that the configuration gives them, and on stderr why a name matches no device, or too many. */
export async function listNics(options: HostOptions & { readonly format: string }): Promise<void> {
  const { host, policy, useOf, warn } = await readHost(options)
  const nics = viewNics(host, policy, useOf)
  warn()
  for (const name of Object.keys(policy.nics)) {
    const found = findNicOrWhy(name, policy, host)
    if (typeof found === 'string') report(found)
  }
  writeAll(1, options.format === 'json' ? `${printableJson(nics, 2)}\n` : formatNics(nics))
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
