import type { Change } from '../plan/edit.js'
import type { PlannedNic } from '../plan/pass.js'
import type { Plan } from '../plan/plan.js'
import { formatArgs } from './args.js'

/** The plan for people: what changes and why, the NICs, the command, the warnings. */
export function formatText(plan: Plan): string {
  const guest = plan.guest.name === null ? '' : ` for guest '${plan.guest.name}'`
  const profile = plan.profile === null ? '' : `, profile '${plan.profile}'`
  return [
    `Plan${guest}${profile} (dry run: nothing is started)`,
    ...section(
      'Changes',
      plan.changes.length === 0
        ? ['none: the command line is passed on as it is']
        : plan.changes.flatMap(change),
    ),
    ...section('NICs', plan.nics.map(nic)),
    ...section(
      'Command',
      formatArgs({ env: [], emulator: plan.emulator, line: plan.line }).trimEnd().split('\n'),
    ),
    ...section('Warnings', plan.warnings),
    '',
  ].join('\n')
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', `${title}:`, ...lines.map((line) => `  ${line}`)]
}

function change({ pass, option, before, after, reason }: Change): string[] {
  const shown = (argument: string) => `${option} ${argument}`.trimEnd()
  return [
    `${pass}: ${reason}`,
    ...(before === null ? [] : [`  - ${shown(before)}`]),
    ...(after === null ? [] : [`  + ${shown(after)}`]),
  ]
}

function nic({ name, device, address, iommuGroup, numaNode, ready }: PlannedNic): string {
  const facts = [
    device === null ? null : `device '${device}'`,
    iommuGroup === null ? null : `IOMMU group ${iommuGroup}`,
    numaNode === null ? null : `NUMA node ${numaNode}`,
    ready ? null : 'not ready',
  ].filter((fact) => fact !== null)
  return `${name} = ${address}${facts.length === 0 ? '' : ` (${facts.join(', ')})`}`
}
