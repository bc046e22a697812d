import { findingText } from '../errors/finding.js'
import type { Change } from '../plan/edit.js'
import type { InterruptSetting } from '../plan/interrupts.js'
import type { PlannedNic } from '../plan/pass.js'
import type { Plan } from '../plan/plan.js'
import type { ThreadSetting } from '../plan/threads/thread-plan.js'
import { formatCpuSet } from '../units/cpu-set.js'
import { printable } from '../units/printable.js'
import { formatArgs } from './args.js'
import { formatTable } from './table.js'

/** The plan for people: what changes and why, the NICs, the command, the warnings. */
export function formatText(plan: Plan): string {
  const guest = plan.guest.name === null ? '' : ` for guest '${plan.guest.name}'`
  const profile = plan.profile === null ? '' : `, profile '${plan.profile}'`
  return [
    printable(`Plan${guest}${profile} (dry run: nothing is started)`),
    ...section(
      'Changes',
      plan.changes.length === 0
        ? ['none: the command line is passed on as it is']
        : plan.changes.flatMap(change),
    ),
    ...section('NICs', plan.nics.map(nic)),
    ...section('Threads', threads(plan)),
    ...section('Interrupts, by the hook or by qemu-rt tune', plan.interrupts.map(interrupt)),
    ...section('Lease', lease(plan)),
    ...section(
      'Command',
      formatArgs({ env: [], emulator: plan.emulator, line: plan.line }).trimEnd().split('\n'),
    ),
    ...section('Warnings', plan.warnings.map(findingText)),
    '',
  ].join('\n')
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', `${title}:`, ...lines.map((line) => `  ${printable(line)}`)]
}

function change({ pass, option, before, after, reason }: Change): string[] {
  const shown = (argument: string) => `${option} ${argument}`.trimEnd()
  return [
    `${pass}: ${reason}`,
    ...(before === null ? [] : [`  - ${shown(before)}`]),
    ...(after === null ? [] : [`  + ${shown(after)}`]),
  ]
}

/** CPUs and policies by kind of thread, in columns. */
function threads({ threads, affinity }: Plan): string[] {
  if (threads === null) return []
  const { vcpus, emulator, iothreads, workers, vhost, contexts } = threads
  const kinds: [string, ThreadSetting | null][] = [
    ...vcpus.map((vcpu): [string, ThreadSetting] => [`vCPU ${vcpu.vcpu}`, vcpu]),
    ['emulator', emulator],
    ...iothreads.map((one): [string, ThreadSetting] => [`I/O thread ${one.id}`, one]),
    ['workers', workers],
    ['vhost', vhost],
    ['thread contexts', contexts ?? null],
  ]
  const rows = kinds.flatMap(([kind, setting]) => (setting === null ? [] : [row(kind, setting)]))
  const start = affinity === null ? [] : [`QEMU starts on CPU ${formatCpuSet(affinity)}`]
  return [...formatTable(rows).trimEnd().split('\n'), ...start]
}

function row(kind: string, { cpus, policy, priority }: ThreadSetting): string[] {
  const place = cpus === null ? 'CPUs as they are' : `CPU ${formatCpuSet(cpus)}`
  return [kind, place, [policy, priority].filter((part) => part !== null).join(' ')]
}

/** What no other VM may have; a dry run does not take it. */
function lease({ lease }: Plan): string[] {
  if (lease === null) return []
  const { nics, cpus } = lease
  return [
    ...(nics.length === 0 ? [] : [`NICs ${nics.join(', ')}`]),
    ...(cpus.length === 0 ? [] : [`CPUs ${formatCpuSet(cpus)}`]),
  ]
}

function interrupt({ address, cpus, priority }: InterruptSetting): string {
  const place = cpus === null ? 'CPUs as they are' : `CPU ${formatCpuSet(cpus)}`
  return `${address}: ${place}${priority === null ? '' : `, threads fifo ${priority}`}`
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
