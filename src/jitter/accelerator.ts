import { accessSync, constants } from 'node:fs'
import { isGuestSilent } from '../errors/jitter.js'
import { report } from '../report/output.js'

export type Accelerator = 'kvm' | 'tcg'

/**
 * Measures for each profile, with one accelerator for all of them.
 * @param profiles null for best effort
 * @param wanted the accelerator; without one KVM where it works, else TCG
 */
export async function measureEach<Result>(
  profiles: readonly (string | null)[],
  wanted: Accelerator | undefined,
  measure: (profile: string | null, accelerator: Accelerator) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  let accelerator = wanted ?? (hasKvm() ? 'kvm' : 'tcg')
  for (const profile of profiles) {
    try {
      results.push(await measure(profile, accelerator))
    } catch (error) {
      const isChosen = wanted !== undefined || accelerator === 'tcg' || results.length > 0
      if (isChosen || !isGuestSilent(error)) throw error
      report('the guest does not run with KVM here; it is emulated instead (--accel kvm shows why)')
      accelerator = 'tcg'
      results.push(await measure(profile, accelerator))
    }
  }
  return results
}

/** Whether this user may use KVM. */
export function hasKvm(): boolean {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}
