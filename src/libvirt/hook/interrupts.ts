import { closeSync, openSync } from 'node:fs'
import { leaveBehind } from '../../host/program.js'
import { openSysroot } from '../../host/sysroot.js'
import { writeRootsRecord } from '../../record/root/records.js'
import type { VmRecord } from '../../record/vm.js'
import { logToSystem } from '../../report/system-log.js'
import { summarizeInterrupts, tuneInterrupts } from '../../tune/interrupts.js'
import type { HookHost } from './hook-host.js'
import { logForDomain } from './log.js'

/**
 * Sets the interrupts that a domain's devices have as root's record says, and says so in the domain's log. None of it ends a
 * VM.
 */
export async function setInterruptsOf(record: VmRecord, { sysroot }: HookHost): Promise<void> {
  const { process: qemu, interrupts = [], undo, guest } = record
  if (qemu === null || interrupts.length === 0) return
  const { pid } = qemu
  const set = await tuneInterrupts(openSysroot(sysroot), { pid, interrupts, undo }, (changed) =>
    writeRootsRecord(sysroot, { ...record, undo: changed }),
  )
  if (sysroot === '/') await leaveFollower(record)
  const name = guest.name ?? ''
  for (const problem of set.problems) await logForDomain(name, `warning: guest '${name}': ${problem}`)
  const summary = summarizeInterrupts(set)
  if (summary !== null) await logForDomain(name, `guest '${name}': ${summary}; set by the hook`)
}

/**
 * Leaves a process behind that sets what the guest's drivers make in the next two minutes: libvirt calls no hook then. It
 * goes by root's record, and ends with it.
 */
async function leaveFollower({ id }: VmRecord): Promise<void> {
  const { execPath, versions, argv, env } = process
  const self = versions.bun === undefined ? [execPath, argv[1] ?? ''] : [execPath]
  const nothing = openSync('/dev/null', 'r+')
  const failure = await leaveBehind([...self, 'tuner', 'interrupts', id], {
    descriptors: [nothing, nothing, nothing],
    env: { PATH: env.PATH, LC_ALL: 'C' },
  })
  closeSync(nothing)
  if (failure !== null) await logToSystem(`interrupts of later drivers will not be set: ${failure}`)
}
