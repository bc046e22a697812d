import { UserError } from '../../errors/user-error.js'
import { listDirectory } from '../../host/sysfs.js'
import type { HeldLease, Lease } from '../../plan/leases.js'
import { readRootsHolds } from '../root/records.js'
import type { VmRecord } from '../vm.js'
import { ensureLeaseDirectory } from './directory.js'
import { isAlive, pathOf } from './held.js'
import { parseLeaseFileName, removeLeaseFile, writeLeaseFile } from './lease-file.js'
import { withLeasesLock } from './lock.js'
import { glanceAtLeases, readLeases, readRootsLeases } from './read.js'
import { isTaken } from './taken.js'

/** What was chosen for a VM, and the file that QEMU is to keep locked; null when nothing was written. */
export interface Held<T> {
  readonly chosen: T
  readonly leaseFile: string | null
}

/**
 * Chooses what a VM takes and writes it down, with the leases locked: two never choose the same.
 * @param alone what is chosen when no other VM holds anything
 * @param choose given what others hold; its `lease` may be null, when nothing is taken
 * @param record what is written of a choice; null for nothing
 * @throws {UserError} what `choose` throws; exit 77 without a usable directory, 69 when the leases stay locked
 */
export function hold<T extends { readonly lease: Lease | null }>(
  sysroot: string,
  alone: T,
  choose: (held: readonly HeldLease[]) => T,
  record: (chosen: T) => VmRecord | null,
): Held<T> {
  // What is held alone is held beside others.
  if (alone.lease === null) return { chosen: alone, leaseFile: noteDown(sysroot, record(alone)) }
  const { shared, own } = ensureLeaseDirectory(sysroot)
  return withLeasesLock(shared, () => {
    for (;;) {
      const chosen = chooseBeside({ sysroot, own }, (held) => (held.length === 0 ? alone : choose(held)))
      const written = record(chosen)
      if (chosen.lease === null || written === null) return { chosen, leaseFile: null }
      const leaseFile = writeLeaseFile(own, written)
      // Root chooses for a domain without this lock: what it has chosen meanwhile is the domain's.
      if (!isTaken(sysroot, chosen.lease, readRootsHolds(sysroot))) return { chosen, leaseFile }
      removeLeaseFile(leaseFile)
    }
  })
}

/** A record of a VM that holds nothing is for `status` and `tune`: where it cannot be kept, the VM starts without. */
function noteDown(sysroot: string, record: VmRecord | null): string | null {
  if (record === null) return null
  try {
    const { own } = ensureLeaseDirectory(sysroot)
    removeNotes(own)
    return writeLeaseFile(own, record)
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    return null
  }
}

/** Clears away what was noted down of VMs that hold nothing, once the process that it names has ended. */
function removeNotes(own: string): void {
  const user = process.geteuid?.() ?? 0
  for (const name of listDirectory(own) ?? []) {
    const named = parseLeaseFileName(name)
    if (named === null || named.cpus.length > 0 || named.nics.length > 0) continue
    if (!isAlive(named.process, user)) removeLeaseFile(`${own}/${name}`)
  }
}

interface Directories {
  readonly sysroot: string
  /** This user's. */
  readonly own: string
}

/** A glance at the others' leases is enough, but to say for whom what is wanted is held. */
function chooseBeside<T>({ sysroot, own }: Directories, choose: (held: readonly HeldLease[]) => T): T {
  const { held, ended } = glanceAtLeases(sysroot)
  // Another user's stays, since it may change on the way there: it counts for nothing.
  for (const file of ended) if (file.directory === own) removeLeaseFile(pathOf(file))
  try {
    return choose(held)
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    return chooseAgain(sysroot, choose)
  }
}

/** With all that is known of the holders, for the message. What other users say keeps root from nothing. */
function chooseAgain<T>(sysroot: string, choose: (held: readonly HeldLease[]) => T): T {
  try {
    return choose(readLeases(sysroot, 'check').held)
  } catch (error) {
    if (!(error instanceof UserError) || process.geteuid?.() !== 0) throw error
    const roots = readRootsLeases(sysroot)
    try {
      return choose(roots)
    } catch {
      throw error
    }
  }
}
