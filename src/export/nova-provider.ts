import { LONGEST_RESOURCE_CLASS, renamed, resourceClass } from './names.js'
import type { Exported, ExportSubject, Withheld } from './subject.js'

/**
 * Makes a provider configuration of Nova's (nova/compute/provider_config.py, schema 1.0): each NIC as a custom resource class
 * of the compute node, which a flavor asks for by `resources:CUSTOM_NIC_NAME=1`. What no VM can have is reserved rather than left
 * out: Placement takes no total of 0, and allocations that exist stay valid.
 * @throws {UserError} see `renamed`
 */
export function novaProvider({ offers, host }: ExportSubject, withheld: Withheld): Exported {
  const named = renamed(offers, resourceClass, LONGEST_RESOURCE_CLASS)
  const traits = [
    ...(host.realtimeCpus === null ? [] : ['CUSTOM_QEMU_RT']),
    ...(host.preemptRt === true ? ['CUSTOM_PREEMPT_RT'] : []),
  ]
  const lines = [
    '# Made by qemu-rt export nova-provider. A flavor asks for a NIC by resources:CUSTOM_NIC_NAME=1; nova-compute reads this when',
    '# it starts. Nova takes one file with $COMPUTE_NODE: if there is another, merge them.',
    'meta:',
    "  schema_version: '1.0'",
  ]
  if (named.length === 0 && traits.length === 0) return { text: `${lines.join('\n')}\n`, notes: [] }
  lines.push('providers:', '  - identification:', '      uuid: $COMPUTE_NODE')
  if (named.length > 0) {
    lines.push('    inventories:', '      additional:')
    for (const { as, units } of named) {
      const reserved = units.filter((unit) => withheld(unit) !== null).length
      lines.push(`        - ${as}:`, `            total: ${units.length}`)
      if (reserved > 0) lines.push(`            reserved: ${reserved}`)
    }
  }
  if (traits.length > 0) {
    lines.push('    traits:', '      additional:', ...traits.map((trait) => `        - ${trait}`))
  }
  return { text: `${lines.join('\n')}\n`, notes: [] }
}
