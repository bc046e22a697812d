import { formatTable } from '../../src/report/table.js'
import type { Machine } from '../common/machine.js'
import type { Outcome } from './outcome.js'

/** The machine and its programs. */
export function formatMachine(machine: Machine, quick: boolean): string {
  const { cpus, model, kernel, memoryBytes, node, bun, qemu, libvirt, python } = machine
  const programs = { Node: node, Bun: bun, QEMU: qemu, libvirt, Python: python }
  const versions = Object.entries(programs).flatMap(([name, version]) =>
    version === undefined ? [] : [`${name} ${version}`],
  )
  const gibibytes = (memoryBytes / 2 ** 30).toFixed(1)
  const lines = [
    `${cpus} CPUs (${model}), ${gibibytes} GiB, Linux ${kernel}`,
    versions.join(', '),
    ...(quick ? ['quick: few repetitions, no numbers to quote'] : []),
  ]
  return `${lines.join('\n')}\n`
}

/** What is printed of a section below its title. */
export function formatOutcome(outcome: Outcome): string {
  if (outcome.kind !== 'measured') return `${outcome.kind}: ${outcome.reason}\n`
  const { tables, aims } = outcome.measured
  const results = aims.map(({ what, measured, wanted, met }) => [
    met ? 'met' : 'missed',
    what,
    measured,
    wanted,
  ])
  const aimsTable = aims.length === 0 ? [] : [[['aim', '', 'measured', 'wanted'], ...results]]
  return [...tables, ...aimsTable].map(formatTable).join('\n')
}
