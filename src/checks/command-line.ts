import type { CheckFacts } from '../host/check/facts.js'
import { type CpuSet, parseCpuSet } from '../units/cpu-set.js'
import { COMMAND_LINE, textOf } from './look.js'

/** Parameters that checks look at: all that `capture` keeps of the kernel's command line, which may have secrets in it. */
const PARAMETERS = [
  'amd_iommu',
  'amd_pstate',
  'audit',
  'clocksource',
  'default_hugepagesz',
  'efi',
  'hugepages',
  'hugepagesz',
  'idle',
  'intel_idle.max_cstate',
  'intel_iommu',
  'intel_pstate',
  'iommu',
  'iommu.passthrough',
  'irqaffinity',
  'isolcpus',
  'kvm.nx_huge_pages',
  'mce',
  'nmi_watchdog',
  'nohz_full',
  'nosmt',
  'nosoftlockup',
  'nowatchdog',
  'processor.max_cstate',
  'rcu_nocbs',
  'rcupdate.rcu_normal',
  'rcupdate.rcu_normal_after_boot',
  'rcutree.kthread_prio',
  'rcutree.nohz_full_patience_delay',
  'rdt',
  'rt_group_sched',
  'skew_tick',
  'threadirqs',
  'tsc',
] as const

export type Parameter = (typeof PARAMETERS)[number]

/**
 * Values of a parameter of the kernel's command line, in its order; of one without `=` the empty text. The kernel takes `-`
 * and `_` in names for the same (kernel/params.c, parameq).
 * @returns null when the command line was not read
 */
export function parameterValues(facts: CheckFacts, name: Parameter): string[] | null {
  const text = textOf(facts, COMMAND_LINE)
  if (text === null) return null
  return wordsOf(text).flatMap((word) => {
    const [own = '', ...value] = word.split('=')
    return plainName(own) === plainName(name) ? [value.join('=')] : []
  })
}

/** The value that counts, the last; null when the parameter is not there. */
export function parameter(facts: CheckFacts, name: Parameter): string | null {
  return parameterValues(facts, name)?.at(-1) ?? null
}

/** What of a command line `capture` keeps. */
export function keptOfCommandLine(text: string): string {
  const known = new Set<string>(PARAMETERS.map(plainName))
  return `${wordsOf(text)
    .filter((word) => known.has(plainName(word.split('=')[0] ?? '')))
    .join(' ')}\n`
}

function plainName(name: string): string {
  return name.replaceAll('-', '_')
}

/** Words are separated by blanks, but for those in double quotes (lib/cmdline.c, next_arg). What follows `--` is init's. */
function wordsOf(text: string): string[] {
  const words = (text.match(/(?:[^\s"]|"[^"]*")+/g) ?? []).map((word) => word.replaceAll('"', ''))
  const end = words.indexOf('--')
  return end < 0 ? words : words.slice(0, end)
}

/** What isolcpus= says (kernel/sched/isolation.c, housekeeping_isolcpus_setup). */
export interface Isolcpus {
  readonly flags: readonly string[]
  readonly cpus: CpuSet
}

/** Reads the value of isolcpus=: flags, then CPUs; without flags it is `domain`. Null when the CPUs are no list. */
export function parseIsolcpus(value: string): Isolcpus | null {
  const parts = value.split(',')
  const first = parts.findIndex((part) => /^\d/.test(part))
  if (first < 0) return null
  const cpus = parseCpuSet(parts.slice(first).join(','))
  return cpus && { flags: first === 0 ? ['domain'] : parts.slice(0, first), cpus }
}
