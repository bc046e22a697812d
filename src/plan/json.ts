import { findingText } from '../errors/finding.js'
import { formatCpuSet } from '../units/cpu-set.js'
import { leaseToJson } from './leases.js'
import type { Plan } from './plan.js'
import { threadsToJson } from './threads/thread-plan.js'

/** The plan as JSON: a contract with those who read it. */
export function planToJson(plan: Plan): object {
  return {
    version: 1,
    emulator: plan.emulator,
    argv: plan.words.map(({ text }) => text),
    changes: plan.changes,
    nics: plan.nics,
    affinity: plan.affinity === null ? null : formatCpuSet(plan.affinity),
    lease: plan.lease === null ? null : leaseToJson(plan.lease),
    threads: plan.threads === null ? null : threadsToJson(plan.threads),
    interrupts:
      plan.interrupts.length === 0
        ? undefined
        : plan.interrupts.map(({ address, cpus, priority }) => ({
            address,
            cpus: cpus === null ? undefined : formatCpuSet(cpus),
            priority: priority ?? undefined,
          })),
    warnings: plan.warnings.map(findingText),
  }
}
