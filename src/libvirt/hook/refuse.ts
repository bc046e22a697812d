import { EXIT, UserError } from '../../errors/user-error.js'
import { withRootsLock } from '../../record/root/lock.js'
import { domainRecordId, readRootsRecord, writeRootsRecord } from '../../record/root/records.js'
import { NEW_VM } from '../../record/vm.js'
import { usesWrapper } from '../ask-domain.js'
import { readDomain } from '../domain.js'
import type { HookCall } from './call.js'
import type { HookHost } from './hook-host.js'
import { prepare } from './prepare.js'

/** `prepare` may have waited for a minute of the two that the hook's script gives it. */
const PATIENCE_SECONDS = 5

/**
 * As `prepare`, but what this host lacks is said by the wrapper, which then ends.
 *
 * libvirt puts a hook's words behind the hook's command line (src/util/virhook.c, virHookCall), and Nova shows a tenant 255
 * characters of all that (nova/compute/utils.py, add_instance_fault_from_exc), so the reason was cut off. What QEMU says stands
 * nearly first. `started` ends a QEMU that starts all the same, before its guest runs.
 * @throws {UserError} any other reason, and one for which root cannot leave a record
 */
export async function prepareOrRefuse(call: HookCall, host: HookHost): Promise<void> {
  try {
    await prepare(call, host)
  } catch (error) {
    if (!(error instanceof UserError) || !leavesRefusal(error, call, host)) throw error
  }
}

/**
 * What the domain itself must not say, or what cannot be read, the hook refuses: no word of it comes to the wrapper.
 * @returns whether the wrapper will say it
 */
function leavesRefusal(
  { exitCode, message }: UserError,
  { xml, domain: name }: HookCall,
  host: HookHost,
): boolean {
  if (exitCode !== EXIT.unavailable) return false
  try {
    const domain = readDomain(xml, 'stdin')
    const id = domainRecordId(domain.uuid)
    if (id === null || !usesWrapper(domain)) return false
    const guest = { name, uuid: domain.uuid }
    const leave = () => {
      // One that is still there says what to give back to the host.
      if (readRootsRecord(host.sysroot, id) !== null) return false
      writeRootsRecord(host.sysroot, { ...NEW_VM, id, guest, refusal: { exitCode, text: message } })
      return true
    }
    return withRootsLock(host.sysroot, leave, PATIENCE_SECONDS)
  } catch {
    return false
  }
}
