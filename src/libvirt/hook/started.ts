import { hookNoProcess, hookTuneRefused } from '../../errors/libvirt.js'
import { refused } from '../../errors/record.js'
import { writeRootsRecord } from '../../record/root/records.js'
import type { VmRecord } from '../../record/vm.js'
import { processOfDomain } from '../domain-process.js'
import type { HookCall } from './call.js'
import { leaveFollower } from './follow.js'
import type { HookHost } from './hook-host.js'
import { setInterruptsOf } from './interrupts.js'
import { logForDomain } from './log.js'
import { recordsOf } from './records.js'
import { setThreads, warnOf } from './threads.js'

/**
 * When a domain's QEMU is there and its guest does not run yet: writes down which process it is, and sets its threads and
 * the interrupts that its devices have as was decided before the start. libvirt has done its own settings by then.
 * @throws {UserError} the refusal that `prepare` has left, where QEMU started all the same; exit 69 or 77 when a thread cannot
 *   be set and the profile is strict, or a vCPU would starve QEMU
 */
export async function started(call: HookCall, host: HookHost): Promise<void> {
  const { sysroot } = host
  // A record with a process is of another start.
  const prepared = recordsOf(sysroot, call).find(({ process }) => process === null)
  if (prepared === undefined) return
  if (prepared.refusal !== undefined) throw refused(prepared.refusal)
  const process = processOfDomain(call.domain)
  if (process === null) return withoutProcess(prepared, call.domain)
  const record = { ...prepared, process }
  writeRootsRecord(sysroot, record)
  // The domain's log is there now.
  for (const notice of record.notices ?? []) {
    await logForDomain(call.domain, `warning: guest '${call.domain}': ${notice}`)
  }
  const unset = await setThreads(call.domain, record)
  if (unset.promised.length > 0 && record.strict) {
    throw hookTuneRefused({ guest: call.domain, causes: unset.promised })
  }
  await warnOf(call.domain, unset)
  await setInterruptsOf(record, host)
  if (sysroot === '/') await leaveFollower(record)
}

async function withoutProcess({ strict, threads }: VmRecord, domain: string): Promise<void> {
  if (threads === null) return
  const error = hookNoProcess({ guest: domain })
  if (strict) throw error
  await logForDomain(domain, `warning: ${error.message}`)
}
