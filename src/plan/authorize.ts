import type { GivenTo, Policy } from '../config/policy.js'
import { nicNotConfigured, notForThisDomain } from '../errors/nics.js'
import { selects } from '../units/glob.js'
import { parseNicFlag, vfioDevices } from './nics/requests.js'
import type { DomainSettings, PassInput } from './pass.js'
import type { Request } from './request.js'

/** A domain, and what it comes to by the configuration and by its own word. */
export interface Authorized {
  readonly request: Request
  readonly policy: Policy
  readonly domain: DomainSettings | null
  /** The profile that applies; null for none. */
  readonly profile: PassInput['profile']
  /** Nova's flavor; null when nobody has told. */
  readonly flavor: string | null
}

/**
 * Checks that what a domain's owner asks for is root's to give and this domain's to have: `[nic.NAME]` and
 * `[profile.NAME]` of the configuration, where the entry says domains to a domain that matches. What a `[[domain]]` gives
 * is root's own word and may be anything.
 * @throws {UserError} exit 69 for a NIC that is not in the configuration, 77 for what is for other domains
 */
export function authorize(asks: Authorized): void {
  const { policy, domain, profile } = asks
  if (profile !== null && domain?.entry?.profile !== profile.name) {
    checkGivenTo('profile', profile.name, profile.settings.givenTo, asks)
  }
  const given = new Set(nicNames(domain?.entry?.nics ?? null))
  for (const name of askedNics(asks)) {
    if (given.has(name)) continue
    const entry = policy.nics[name]
    if (entry === undefined) {
      throw nicNotConfigured({ name, known: Object.keys(policy.nics), config: policy.place([]) })
    }
    checkGivenTo('NIC', name, entry.givenTo, asks)
  }
}

/** Names from the domain's metadata, its arguments and its environment. */
function askedNics({ request, domain }: Authorized): string[] {
  const named = vfioDevices(request.line).flatMap(({ nic }) => nic || [])
  const flags = request.nics.map((text) => parseNicFlag(text).name)
  return [...named, ...flags, ...(domain?.nicsAreAsked ? nicNames(domain.nics) : [])]
}

function nicNames(nics: DomainSettings['nics']): readonly string[] {
  if (nics === null) return []
  return 'add' in nics ? nics.add : Object.values(nics.replace)
}

function checkGivenTo(
  what: 'NIC' | 'profile',
  name: string,
  to: GivenTo | null,
  { request: { guest }, policy, flavor }: Authorized,
): void {
  if (to === null || (matches(to.domains, guest.name) && matches(to.flavors, flavor))) return
  const place = policy.place([what === 'NIC' ? 'nic' : 'profile', name])
  throw notForThisDomain({ what, name, guest: guest.name ?? '', flavor, place })
}

/** Where domains are named, one without a name or a flavor is none of them. */
function matches(globs: readonly string[] | null, value: string | null): boolean {
  return globs === null || (value !== null && globs.some((glob) => selects(glob, value)))
}
