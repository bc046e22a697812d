import { openSysroot } from '../../host/sysroot.js'
import { writeRootsRecord } from '../../record/root/records.js'
import type { VmRecord } from '../../record/vm.js'
import { summarizeInterrupts, tuneInterrupts } from '../../tune/interrupts.js'
import type { HookHost } from './hook-host.js'
import { logForDomain } from './log.js'

/**
 * Sets the interrupts that a domain's devices have as root's record says, and says so in the domain's log. None of it ends a
 * VM.
 */
export async function setInterruptsOf(record: VmRecord, { sysroot }: HookHost): Promise<void> {
  const { process, interrupts = [], undo, guest } = record
  if (process === null || interrupts.length === 0) return
  const { pid } = process
  const set = await tuneInterrupts(openSysroot(sysroot), { pid, interrupts, undo }, (changed) =>
    writeRootsRecord(sysroot, { ...record, undo: changed }),
  )
  const name = guest.name ?? ''
  for (const problem of set.problems) await logForDomain(name, `warning: guest '${name}': ${problem}`)
  const summary = summarizeInterrupts(set)
  if (summary !== null) await logForDomain(name, `guest '${name}': ${summary}; set by the hook`)
}
