import type { Policy } from '../config/policy.js'
import type { DomainRequest, VmRecord } from '../record/vm.js'
import { authorize } from './authorize.js'
import { chooseProfile, matchDomain } from './domain.js'
import { asksForNics } from './nics/requests.js'
import type { PassInput } from './pass.js'
import type { Request } from './request.js'

/** Who a VM is, and what it is to get by that. */
export interface Ask {
  /** What its domain gives it; null when that says nothing. */
  readonly domain: PassInput['domain']
  /** The profile that applies; null when none does. */
  readonly profile: PassInput['profile']
  /** Whether the host's devices must be looked at. */
  readonly wantsNics: boolean
}

/** What is known of a VM besides its request. */
export interface Known {
  /** What the domain asks for in its metadata; null when nobody has read it. */
  readonly asked: DomainRequest | null
  /** What root has decided for it; null when it has decided nothing. */
  readonly record: VmRecord | null
}

/**
 * Finds out what applies to a VM: by the configuration, and by its own word as far as a person says it or the
 * configuration lets a domain say it.
 * @throws {UserError} exit 78 for a profile that is not there, and see `authorize`
 */
export function askOf(request: Request, policy: Policy, { asked, record }: Known): Ask {
  const domain = matchDomain(policy, request.guest, asked)
  const profile =
    record === null
      ? chooseProfile(policy, request.profile, domain)
      : chooseProfile(policy, record.profile, null)
  if (request.entry === 'emulator') {
    authorize({ request, policy, domain, profile: profile?.name ?? null, flavor: asked?.flavor ?? null })
  }
  const wantsNics = asksForNics(request.line, { nics: request.nics, domain: domain?.nics ?? null })
  return { domain, profile, wantsNics }
}
