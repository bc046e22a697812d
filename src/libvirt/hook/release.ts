import { giveDevicesBack } from '../../change/claim.js'
import type { UserError } from '../../errors/user-error.js'
import { openSysroot } from '../../host/sysroot.js'
import { readHookRequest, removeHookRequest } from '../../record/hook-requests.js'
import type { HookHost } from './hook-host.js'

/**
 * When a domain's QEMU has ended: gives back what was taken for it, and takes its request away.
 * @returns what could not be given back
 */
export function release(uuid: string, { sysroot, write }: HookHost): UserError[] {
  const request = readHookRequest(sysroot, uuid)
  if (request === null) return []
  const errors = giveDevicesBack(openSysroot(sysroot), request.taken, write)
  removeHookRequest(sysroot, uuid)
  return errors
}
