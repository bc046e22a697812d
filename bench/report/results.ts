import type { Machine } from '../common/machine.js'
import type { Outcome } from './outcome.js'

export interface Results {
  readonly date: Date
  readonly machine: Machine
  readonly quick: boolean
  readonly outcomes: readonly Outcome[]
}

/** All numbers, for programs. */
export function resultsJson({ date, machine, quick, outcomes }: Results): string {
  const sections = Object.fromEntries(outcomes.map((outcome) => [outcome.section.name, section(outcome)]))
  return `${JSON.stringify({ version: 1, date: date.toISOString(), machine, quick, sections }, null, 2)}\n`
}

function section(outcome: Outcome): object {
  const { title } = outcome.section
  if (outcome.kind !== 'measured') return { title, [outcome.kind]: outcome.reason }
  const { figures, aims } = outcome.measured
  return { title, figures, aims }
}
