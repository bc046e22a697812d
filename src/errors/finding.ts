/** How a judgement ends. `unknown` is what could not be read: it is never taken for good. */
export type Level = 'pass' | 'warn' | 'fail' | 'note' | 'unknown'

/**
 * What was found, how bad it is and what to do: the result of a check, a warning of a plan, what keeps a NIC from a VM, a
 * cause of jitter or of a refusal. An error is made of one, see `userError`.
 */
export interface Finding {
  /** Permanent, and the same wherever the same fact is judged: `sched.rt-throttling`. */
  readonly id: string
  readonly level: Level
  /** What is there; for `unknown`, why that is not known. */
  readonly what: string
  /** What stands after the colon: the place, or what comes of it. */
  readonly where?: string | null
  /** Safe to follow as it stands; null or absent when there is nothing to do. */
  readonly todo?: string | null
}

/** The one line of a finding or an error: `what: where; todo`. */
export function findingText({ what, where, todo }: Pick<Finding, 'what' | 'where' | 'todo'>): string {
  return `${what}${where ? `: ${where}` : ''}${todo ? `; ${todo}` : ''}`
}

/** Whether it is worth a line where only what is wrong is told. */
export function isBad({ level }: Pick<Finding, 'level'>): boolean {
  return level === 'fail' || level === 'warn'
}
