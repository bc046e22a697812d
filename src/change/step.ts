import type { TakenDevice } from '../record/vm.js'

/** One change of the host, and its way back. */
export interface Step<Before = TakenDevice> {
  /**
   * Reads what the way back needs to know, as data for a record; right before `make`.
   * @returns null when the host is as wanted already
   */
  readonly look: () => Before | null
  readonly make: () => Promise<void> | void
  /** Can be done again, and after a `make` that came to no end. */
  readonly undo: (before: Before) => Promise<void> | void
}

/**
 * Makes changes, all of them or none. Each is recorded before it is made: so it can be undone even if this process is
 * killed.
 * @param record is given all that is to be undone now; after a failure what could not be
 * @throws what a step throws; the others are undone then, the last one first
 */
export async function makeAll<Before>(
  steps: readonly Step<Before>[],
  record: (made: readonly Before[]) => void,
): Promise<void> {
  let made: { readonly step: Step<Before>; readonly before: Before }[] = []
  const write = () => record(made.map(({ before }) => before))
  try {
    for (const step of steps) {
      const before = step.look()
      if (before === null) continue
      made.push({ step, before })
      write()
      await step.make()
    }
  } catch (error) {
    const kept: typeof made = []
    for (const one of [...made].reverse()) {
      try {
        await one.step.undo(one.before)
      } catch {
        // What went wrong first is what is told; the record has the rest.
        kept.unshift(one)
      }
    }
    made = kept
    write()
    throw error
  }
}
