import { isSameProcess } from '../../host/process.js'
import type { HookCall } from './call.js'
import type { HookHost } from './hook-host.js'
import { setInterruptsOf } from './interrupts.js'
import { recordsOf } from './records.js'
import { setThreads, warnOf } from './threads.js'

/** When libvirtd has started again and found a domain running: sets its threads, and the interrupts of its
 * devices, once more as root's record says. */
export async function reconnect(call: HookCall, host: HookHost): Promise<void> {
  for (const record of recordsOf(host.sysroot, call)) {
    // One that was counted in another PID namespace is another process here.
    if (record.process === null || !isSameProcess(record.process)) continue
    await warnOf(call.domain, await setThreads(call.domain, record))
    await setInterruptsOf(record, host)
  }
}
