import { closeSync, constants, ftruncateSync, openSync, renameSync, writeSync } from 'node:fs'
import { leaseNotWritable } from '../../errors/leases.js'
import { errorCode, listDirectory } from '../../host/sysfs.js'
import type { HeldLease } from '../../plan/leases.js'
import { formatVm, type VmRecord } from '../vm.js'
import { chooseBesideOthers } from './beside.js'
import { ensureLeaseDirectory } from './directory.js'
import { isLeaseFileName, leaseFileName, readLeaseFile, writeLeaseFile } from './lease-file.js'
import { withLeasesLock } from './lock.js'

/**
 * Changes what a VM of this user's holds, with the leases locked. Its file stays the same one, under another name and with
 * another text: QEMU holds the lock of it.
 * @param record as it was
 * @param choose given the record as it is now and what VMs hold; the same record for no change
 * @throws {UserError} what `choose` throws; exit 77 when it cannot be written, 69 when the leases stay locked
 */
export function rewriteLease(
  sysroot: string,
  record: VmRecord,
  choose: (record: VmRecord, held: readonly HeldLease[]) => VmRecord,
): VmRecord {
  const { shared, own } = ensureLeaseDirectory(sysroot)
  return withLeasesLock(shared, () => {
    const name = (listDirectory(own) ?? []).find((file) => isOf(file, record))
    const known = name === undefined ? record : (readLeaseFile(`${own}/${name}`) ?? record)
    const chosen = chooseBesideOthers(sysroot, (held) => choose(known, held))
    if (chosen === known) return chosen
    if (name === undefined) writeLeaseFile(own, chosen)
    else rewrite(`${own}/${name}`, `${own}/${leaseFileName(chosen.id, chosen.lease)}`, chosen)
    return chosen
  })
}

function isOf(file: string, { id }: VmRecord): boolean {
  return isLeaseFileName(file) && (file.startsWith(`${id}@`) || file.startsWith(`${id}.`))
}

/** The name comes first: it says what is held to those who do not open the file. */
function rewrite(before: string, after: string, record: VmRecord): void {
  try {
    renameSync(before, after)
    const file = openSync(after, constants.O_WRONLY | constants.O_NOFOLLOW)
    try {
      const bytes = Buffer.from(`${formatVm(record)}\n`)
      ftruncateSync(file)
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at)
    } finally {
      closeSync(file)
    }
  } catch (error) {
    throw leaseNotWritable({ path: after, reason: errorCode(error) ?? String(error) })
  }
}
