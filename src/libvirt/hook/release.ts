import { logToSystem } from '../../report/system-log.js'
import type { HookCall } from './call.js'
import type { HookHost } from './hook-host.js'
import { releaseDomain } from './records.js'

/** Less than the hook's script gives it: what it does not come to, another call does. */
const PATIENCE_SECONDS = 10

/**
 * When a domain's QEMU has ended: gives back what was taken for it, and takes its record away; and those of other VMs that
 * have ended without this being called to its end. Name and UUID are enough.
 */
export async function release(call: HookCall, host: HookHost): Promise<void> {
  const errors = await releaseDomain(call, host, PATIENCE_SECONDS)
  for (const { message } of errors) await logToSystem(message)
}
