import { irqaffinityWanted, isolcpusWanted, parameterCpus } from '../../checks/boot.js'
import type { Subject } from '../../checks/check.js'
import { parameter, parameterValues } from '../../checks/command-line.js'
import { cpusOfBoot } from '../../checks/judge/isolation.js'
import { isRealtimeKernel } from '../../checks/kernel.js'
import { textOf } from '../../checks/look.js'
import type { Result } from '../../checks/run.js'
import { type CpuSet, formatCpuSet } from '../../units/cpu-set.js'

/** What a check wants on the kernel's command line. */
const PARAMETERS: Readonly<Record<string, (subject: Subject) => string>> = {
  'boot.nohz-full': (subject) =>
    `nohz_full=${formatCpuSet(cpusOfBoot(subject.sets, cpusThere(subject, 'nohz_full')))}`,
  'boot.rcu-nocbs': (subject) =>
    `rcu_nocbs=${formatCpuSet(cpusOfBoot(subject.sets, cpusThere(subject, 'rcu_nocbs')))}`,
  'boot.irqaffinity': irqaffinityWanted,
  'boot.skew-tick': () => 'skew_tick=1',
  'boot.tsc-reliable': () => 'tsc=reliable',
  'kernel.rcu-normal': () => 'rcupdate.rcu_normal_after_boot=1',
  'kernel.rcu-patience': () => 'rcutree.nohz_full_patience_delay=1000',
}

/** Checks that one isolcpus= is for. */
const ISOLATION = ['cpu.isolated', 'boot.managed-irq']

export interface WantedParameters {
  /** To be added, each with its value. */
  readonly add: readonly string[]
  /** What is there and has to go, because a parameter of this name is added. */
  readonly remove: readonly string[]
  readonly covered: ReadonlySet<string>
}

/** Finds what the kernel's command line lacks, by what the checks found. @param isMiss which checks ask for a change */
export function wantedParameters(
  subject: Subject,
  results: readonly Result[],
  isMiss: (result: Result) => boolean,
): WantedParameters {
  const missed = results.filter((result) => isMiss(result) && result.tunedProfile === null)
  const ids = missed.map(({ id }) => id).filter((id) => ISOLATION.includes(id) || id in PARAMETERS)
  const lasting = isSetSinceBoot(subject) ? ['kernel.rcu-normal'] : []
  const isolation = ids.some((id) => ISOLATION.includes(id)) ? [isolcpus(subject, ids)] : []
  const add = [
    ...isolation,
    ...[...new Set([...ids, ...lasting])].flatMap((id) => PARAMETERS[id]?.(subject) ?? []),
  ]
  const remove = add.flatMap((text) => valuesThere(subject, text.split('=')[0] ?? ''))
  return { add, remove, covered: new Set(ids) }
}

/**
 * Whether RCU is as wanted by what was set since the boot, and not by the boot itself: the parameter is wanted still then. A
 * PREEMPT_RT kernel is so by itself (Linux kernel/rcu/update.c, rcu_normal_after_boot).
 */
function isSetSinceBoot(subject: Subject): boolean {
  const { facts } = subject
  const isThere = (['rcupdate.rcu_normal_after_boot', 'rcupdate.rcu_normal'] as const).some(
    (name) => parameter(facts, name) === '1',
  )
  return (
    textOf(facts, '/sys/kernel/rcu_normal')?.trim() === '1' &&
    parameterValues(facts, 'rcupdate.rcu_normal') !== null &&
    isRealtimeKernel(subject) === false &&
    !isThere
  )
}

/** One isolcpus= for all that it is for, with the flags that are there. What a partition isolates needs no `domain`. */
function isolcpus(subject: Subject, ids: readonly string[]): string {
  const domain = ids.includes('cpu.isolated') ? ['domain'] : []
  return isolcpusWanted(subject, ['managed_irq', ...domain])
}

function cpusThere({ facts, sets }: Subject, name: 'nohz_full' | 'rcu_nocbs'): CpuSet {
  return (parameterValues(facts, name) ?? []).flatMap((text) => parameterCpus(text, sets.online) ?? [])
}

const REPLACED = ['isolcpus', 'nohz_full', 'rcu_nocbs', 'irqaffinity', 'skew_tick', 'tsc'] as const

function valuesThere({ facts }: Subject, name: string): string[] {
  const known = REPLACED.find((one) => one === name)
  return known === undefined
    ? []
    : (parameterValues(facts, known) ?? []).map((value) => (value === '' ? known : `${known}=${value}`))
}
