import type { VmRecord } from '../../record/vm.js'
import { type InterruptsOfVm, summarizeInterrupts, tuneInterrupts } from '../../tune/interrupts.js'
import type { HookHost } from './hook-host.js'
import { logForDomain } from './log.js'

/**
 * Sets the interrupts that a domain's devices have as root's record says, and says so in the domain's log. None of it ends a
 * VM.
 */
export async function setInterruptsOf(record: VmRecord, { sysroot }: HookHost): Promise<void> {
  const vm = interruptsToSet(record)
  if (vm === null) return
  const name = record.guest.name ?? ''
  const set = await tuneInterrupts(sysroot, vm)
  for (const problem of set.problems) await logForDomain(name, `warning: guest '${name}': ${problem}`)
  const summary = summarizeInterrupts(set)
  if (summary !== null) await logForDomain(name, `guest '${name}': ${summary}; set by the hook`)
}

/** A VM of whose interrupts its record says something; null for another. */
export function interruptsToSet({ id, process, interrupts = [] }: VmRecord): InterruptsOfVm | null {
  return process === null || interrupts.length === 0 ? null : { id, process, interrupts }
}
