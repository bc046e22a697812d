import { UserError } from '../errors/user-error.js'
import type { HeldLease } from './leases.js'

/**
 * Chooses for root. What users say that they hold need not be so: it is kept away from where there is another choice, and
 * keeps root from nothing.
 * @param held what other VMs hold, by root's word
 * @param claimed what users' launches say that they hold
 * @throws {UserError} what `choose` throws beside what root says alone
 */
export function besideClaims<T>(
  held: readonly HeldLease[],
  claimed: readonly HeldLease[],
  choose: (held: readonly HeldLease[]) => T,
): T {
  try {
    return choose([...held, ...claimed])
  } catch (error) {
    if (!(error instanceof UserError && claimed.length > 0)) throw error
    return choose(held)
  }
}
