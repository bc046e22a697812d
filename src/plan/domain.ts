import picomatch from 'picomatch'
import type { DomainPolicy, Policy } from '../config/policy.js'
import { unknownProfile } from '../errors/plan.js'
import type { PassInput } from './pass.js'
import type { Request } from './request.js'

/** The `[[domain]]` entry that applies: the first whose globs all match the guest's name and UUID. */
export function matchDomain(policy: Policy, guest: Request['guest']): PassInput['domain'] {
  const index = policy.domains.findIndex((domain) => matchesGuest(domain, guest))
  const settings = policy.domains[index]
  return settings === undefined ? null : { index, settings }
}

/** The profile that applies: the request's own, else the domain's. */
export function chooseProfile(
  policy: Policy,
  requested: string | null,
  domain: PassInput['domain'],
): PassInput['profile'] {
  const name = requested ?? domain?.settings.profile ?? null
  if (name === null) return null
  const settings = policy.profiles[name]
  if (settings === undefined) {
    throw unknownProfile({ name, known: Object.keys(policy.profiles), config: policy.place([]) })
  }
  return { name, settings }
}

/** Domains that select by flavor: only libvirt's metadata knows that, which the command line does not carry. */
export function flavorWarnings(policy: Policy): string[] {
  return policy.domains.flatMap(({ flavor }, index) =>
    flavor === null
      ? []
      : [
          `[[domain]] ${index + 1} of ${policy.place([])} selects by flavor, which a command line does not tell; passed over`,
        ],
  )
}

function matchesGuest({ name, uuid, flavor }: DomainPolicy, guest: Request['guest']): boolean {
  return (
    flavor === null && matchesGlob(guest.name, name) && matchesGlob(guest.uuid?.toLowerCase() ?? null, uuid)
  )
}

function matchesGlob(value: string | null, glob: string | null): boolean {
  // Every VM, one without a name too.
  if (glob === null || glob === '*') return true
  // `bash` lets a star match slashes too: names of domains are not paths.
  return value !== null && picomatch.isMatch(value, glob, { bash: true, dot: true })
}
