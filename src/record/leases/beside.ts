import { besideClaims } from '../../plan/beside-claims.js'
import type { HeldLease } from '../../plan/leases.js'
import { readLeases, readRootsLeases, readUsersHolds } from './read.js'

/**
 * Chooses beside what other VMs hold: for another user than root all of it counts, for root only what is root's word.
 * @throws {UserError} what `choose` throws; exit 77 for a record of root's that cannot be read
 */
export function chooseBesideOthers<T>(sysroot: string, choose: (held: readonly HeldLease[]) => T): T {
  if (process.geteuid?.() !== 0) return choose(readLeases(sysroot, 'check').held)
  return besideClaims(readRootsLeases(sysroot), readUsersHolds(sysroot, [0]), choose)
}
