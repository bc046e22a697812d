import { didYouMean } from '../errors/nearest.js'
import type { Settings } from './configuration.js'
import type { Problem } from './problem.js'

/** Finds names of profiles that the configuration uses and does not define. NICs may also be the host's own names. */
export function findUnknownProfiles({ profiles, domains, rules }: Settings): Problem[] {
  const known = Object.keys(profiles)
  const uses = [
    ...domains.map(({ profile }, index) => ({ profile, path: ['domain', index, 'profile'] })),
    ...rules.map(({ profile }, index) => ({ profile, path: ['rule', index, 'profile'] })),
  ]
  return uses.flatMap(({ profile, path }) => {
    if (profile === null || known.includes(profile)) return []
    const there = known.length === 0 ? `write [profile.${profile}]` : `defined are ${known.join(', ')}`
    return [{ path, message: `$setting is not defined; ${didYouMean(profile, known) ?? there}` }]
  })
}
