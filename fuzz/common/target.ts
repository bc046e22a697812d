import type { Random } from './random.js'

/** What is fuzzed: how an input is made, and what must hold of it. */
export interface Target {
  readonly name: string
  readonly title: string
  /** An input, one or more texts. */
  readonly make: (random: Random) => readonly string[]
  /**
   * Takes an input as the program does.
   * @throws {UserError} which is how the program says no; anything else is a fault
   */
  readonly take: (input: readonly string[]) => void
}

/** Something that must hold does not. */
export class Fault extends Error {
  override readonly name = 'Fault'
}

export function must(holds: boolean, problem: string): void {
  if (!holds) throw new Fault(problem)
}
