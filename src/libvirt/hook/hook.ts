import { logToSystem } from '../../report/system-log.js'
import type { HookCall } from './call.js'
import type { HookHost } from './hook-host.js'
import { reconnect } from './reconnect.js'
import { prepareOrRefuse } from './refuse.js'
import { release } from './release.js'
import { started } from './started.js'

/** What is done about one operation, and what becomes of an error. */
interface Operation {
  readonly run: (call: HookCall, host: HookHost) => Promise<void>
  /**
   * Whether an error keeps the domain from starting. libvirt destroys a domain whose hook fails at `reconnect`, and does
   * not call again after `release`.
   */
  readonly mayFail: boolean
}

/**
 * What libvirt calls the hook for that something is done about (https://libvirt.org/hooks.html, "/etc/libvirt/hooks/qemu");
 * the script that libvirt runs has the same list.
 */
const OPERATIONS: Readonly<Record<string, Operation>> = {
  'prepare begin': { run: prepareOrRefuse, mayFail: true },
  'started begin': { run: started, mayFail: true },
  'reconnect begin': { run: reconnect, mayFail: false },
  'release end': { run: release, mayFail: false },
}

/**
 * Does what is to be done when libvirt calls its hook.
 * @throws {UserError} what is to keep libvirt from going on
 */
export async function runHook(call: HookCall, host: HookHost): Promise<void> {
  const name = `${call.operation} ${call.suboperation}`
  const operation = Object.hasOwn(OPERATIONS, name) ? OPERATIONS[name] : undefined
  if (operation === undefined) return
  try {
    await operation.run(call, host)
  } catch (error) {
    if (operation.mayFail) throw error
    await logToSystem(`guest '${call.domain}': ${error instanceof Error ? error.message : String(error)}`)
  }
}
