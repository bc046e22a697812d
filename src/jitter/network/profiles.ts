import type { Policy } from '../../config/policy.js'
import { ramNotShared, sameCpus } from '../../errors/jitter-network.js'
import { profileNamed } from '../../plan/ask.js'
import { isRealtime } from '../../plan/threads/thread-plan.js'
import { type CpuSet, formatCpuSet, intersectCpuSets, unionCpuSets } from '../../units/cpu-set.js'
import type { Role } from './guest.js'

type NamedProfile = ReturnType<typeof profileNamed>

/**
 * The profiles of the two guests.
 * @param echo the echo's; null for the sender's
 * @throws {UserError} exit 78 for one that is not there, keeps RAM private, or leaves one of the guests without a CPU
 */
export function networkProfiles(
  policy: Policy,
  sender: string,
  echo: string | null,
): Readonly<Record<Role, NamedProfile>> {
  const both = { sender: profileNamed(policy, sender), echo: profileNamed(policy, echo ?? sender) }
  for (const { name, settings } of [both.sender, both.echo]) {
    if (settings.share === 'never') throw ramNotShared({ profile: name, where: place(policy, name, 'share') })
  }
  const shared = intersectCpuSets(ownCpus(both.sender), ownCpus(both.echo))
  if (shared.length > 0) {
    const { name } = both.echo
    throw sameCpus({ profile: name, cpus: formatCpuSet(shared), where: place(policy, name, 'vcpus') })
  }
  return both
}

function place(policy: Policy, profile: string, key: string): string {
  return policy.place(['profile', profile, key])
}

/** CPUs that the configuration itself gives to real-time vCPUs, whichever VM it is. */
function ownCpus({ settings: { vcpus } }: NamedProfile): CpuSet {
  if (vcpus === null || !isRealtime(vcpus) || vcpus.cpus === null || typeof vcpus.cpus === 'string') return []
  return Array.isArray(vcpus.cpus) ? vcpus.cpus : unionCpuSets(...Object.values(vcpus.cpus))
}
