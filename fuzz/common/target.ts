import type { Random } from './random.js'

/** What the program writes for an input. */
export interface Shown {
  /** Messages, each one line with its newline. */
  readonly lines?: readonly string[]
  /** For screens, in any number of lines. */
  readonly texts?: readonly string[]
}

/** What is fuzzed: how an input is made, and what must hold of it. */
export interface Target {
  readonly name: string
  readonly title: string
  /** An input, one or more texts. */
  readonly make: (random: Random) => readonly string[]
  /**
   * Takes an input as the program does.
   * @returns all that it would write to screens and logs, as it would write it
   * @throws {UserError} which is how the program says no; anything else is a fault
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: a target that shows nothing has no return
  readonly take: (input: readonly string[]) => Shown | void
}

/** Something that must hold does not. */
class Fault extends Error {
  override readonly name = 'Fault'
}

export function must(holds: boolean, problem: string): void {
  if (!holds) throw new Fault(problem)
}
