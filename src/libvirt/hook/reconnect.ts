import type { HookCall } from './call.js'
import type { HookHost } from './hook-host.js'
import { hasEnded, recordsOf } from './records.js'
import { setThreads, warnOf } from './threads.js'

/** When libvirtd has started again and found a domain running: sets its threads once more as root's record says. */
export async function reconnect(call: HookCall, { sysroot }: HookHost): Promise<void> {
  for (const record of recordsOf(sysroot, call)) {
    if (record.process === null || hasEnded(record, sysroot)) continue
    await warnOf(call.domain, await setThreads(call.domain, record))
  }
}
