import { unlinkSync, writeFileSync } from 'node:fs'
import { UserError } from '../../errors/user-error.js'
import type { HeldLease } from '../../plan/leases.js'
import type { Lease } from '../runtime-plan.js'
import { ensureLeaseDirectory } from './directory.js'
import { formatLeaseFile, type LeaseFile, leaseFileName } from './lease-file.js'
import { withLock } from './lock.js'
import { glanceAtLeases, readLeases } from './read.js'

/** For whom a lease is. */
export interface Holder extends Pick<LeaseFile, 'guest' | 'launcher'> {
  /** For the file's name: told from every other since the host was booted. */
  readonly id: string
}

/**
 * Chooses what a VM takes and writes it down, with the leases locked: two never choose the same.
 * @param choose given what others hold; its `lease` may be null, when nothing is taken
 * @returns what was chosen, and the lease file; null when nothing was taken
 * @throws {UserError} what `choose` throws; exit 77 without a usable directory, 69 when the leases stay locked
 */
export function hold<T extends Pick<LeaseFile, 'daemonizes'> & { readonly lease: Lease | null }>(
  sysroot: string,
  { id, guest, launcher }: Holder,
  choose: (held: readonly HeldLease[]) => T,
): { readonly chosen: T; readonly leaseFile: string | null } {
  const alone = choose([])
  // Most VMs hold nothing, and need no lock to find that out.
  if (alone.lease === null) return { chosen: alone, leaseFile: null }
  const { shared, own } = ensureLeaseDirectory(sysroot)
  return withLock(shared, () => {
    const chosen = chooseBeside({ sysroot, own }, (held) => (held.length === 0 ? alone : choose(held)))
    if (chosen.lease === null) return { chosen, leaseFile: null }
    const leaseFile = `${own}/${leaseFileName(id, chosen.lease)}`
    const text = formatLeaseFile({ ...chosen.lease, guest, launcher, daemonizes: chosen.daemonizes })
    writeFileSync(leaseFile, text, { flag: 'wx', mode: 0o640 })
    return { chosen, leaseFile }
  })
}

interface Directories {
  readonly sysroot: string
  /** This user's. */
  readonly own: string
}

/** A glance at the others' leases is enough, but to say for whom what is wanted is held. */
function chooseBeside<T>({ sysroot, own }: Directories, choose: (held: readonly HeldLease[]) => T): T {
  const { held, ended } = glanceAtLeases(sysroot)
  for (const { path } of ended) removeIfIn(own, path)
  try {
    return choose(held)
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    return choose(readLeases(sysroot, 'check').held)
  }
}

/** What is left of a VM that has ended. Another user's stays, since it may change on the way there: it counts for nothing. */
function removeIfIn(directory: string, path: string): void {
  if (!path.startsWith(`${directory}/`)) return
  try {
    unlinkSync(path)
  } catch {
    // Gone already.
  }
}
