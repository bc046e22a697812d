import { formatVm, type ProcessId, type VmRecord } from '../vm.js'
import { withRootsLock } from './lock.js'
import { readRootsRecord, writeRootsRecord } from './records.js'

/** One start of a VM: the id of its record, which the next start has, too, and its process. */
export interface RecordedStart {
  readonly id: string
  readonly process: Pick<ProcessId, 'pid' | 'startTicks'>
}

/**
 * Changes root's record of a VM, as it is now and with the records locked. One that has been released meanwhile, or is of
 * another start of the same domain, stays as it is.
 * @returns as it is then; null when there is none of this start
 * @throws {UserError} what `withRootsLock` and `writeRootsRecord` throw
 */
export function changeRootsRecord(
  sysroot: string,
  start: RecordedStart,
  change: (record: VmRecord) => VmRecord,
): VmRecord | null {
  return withRootsLock(sysroot, () => {
    const latest = readRootsRecord(sysroot, start.id)
    if (latest === null || !isOf(latest, start)) return null
    const next = change(latest)
    if (formatVm(next) !== formatVm(latest)) writeRootsRecord(sysroot, next)
    return next
  })
}

/** Whether a record is of this start. */
export function isOf({ process }: Pick<VmRecord, 'process'>, start: RecordedStart): boolean {
  return process?.pid === start.process.pid && process.startTicks === start.process.startTicks
}
