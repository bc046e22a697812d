import { giveDevicesBack } from '../../change/claim.js'
import type { UserError } from '../../errors/user-error.js'
import { isSameProcess } from '../../host/process.js'
import { openSysroot } from '../../host/sysroot.js'
import { withRootsLock } from '../../record/root/lock.js'
import { readRootsRecords, removeRootsRecord } from '../../record/root/records.js'
import type { VmRecord } from '../../record/vm.js'
import type { HookCall } from './call.js'
import { uuidOf } from './call.js'
import type { HookHost } from './hook-host.js'

/**
 * Root's records of a domain: by its UUID, and by its name, of which libvirt has only one at a time. One that `tune` has
 * made has the name that its process gives itself, and no UUID.
 */
export function recordsOf(sysroot: string, call: Pick<HookCall, 'domain' | 'xml'>): VmRecord[] {
  const uuid = uuidOf(call)
  return readRootsRecords(sysroot, () => {}).filter(
    ({ guest }) => guest.uuid !== null && (guest.name === call.domain || guest.uuid === uuid),
  )
}

/** Whether the QEMU of a record has run and runs no more: libvirt's `release` did not come to its end then. */
export function hasEnded({ process }: VmRecord): boolean {
  return process !== null && !isSameProcess(process)
}

/**
 * Gives back what was taken for VMs, and takes their records away. With the records locked, so that none of it is given to
 * another VM meanwhile.
 * @param isDone which records, as they are then
 * @returns what could not be given back
 */
export function releaseRecords(
  isDone: (record: VmRecord) => boolean,
  { sysroot, write }: HookHost,
): UserError[] {
  return withRootsLock(sysroot, () =>
    readRootsRecords(sysroot, () => {})
      .filter(isDone)
      .flatMap((record) => {
        const errors = giveDevicesBack(openSysroot(sysroot), record.undo, write)
        removeRootsRecord(sysroot, record)
        return errors
      }),
  )
}
