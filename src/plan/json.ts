import type { Plan } from './plan.js'

/** The plan as JSON: a contract with those who read it. */
export function planToJson(plan: Plan): object {
  return {
    version: 1,
    emulator: plan.emulator,
    argv: plan.words.map(({ text }) => text),
    changes: plan.changes,
    nics: plan.nics,
    affinity: null,
    lease: null,
    threads: null,
    warnings: plan.warnings,
  }
}
