import type { Policy } from '../config/policy.js'
import { unknownProfile } from '../errors/plan.js'
import type { DomainRequest, VmRecord } from '../record/vm.js'
import { authorize } from './authorize.js'
import { matchDomain, unknownToCommandLine } from './domain.js'
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
  /** What of the configuration could not be applied, a line each. */
  readonly warnings: readonly string[]
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
 * @throws {UserError} see `profileNamed` and `authorize`
 */
export function askOf(request: Request, policy: Policy, { asked, record }: Known): Ask {
  const domain = matchDomain(policy, request.guest, asked)
  const name = record === null ? (request.profile ?? domain?.profile ?? null) : record.profile
  const profile = name === null ? null : profileNamed(policy, name)
  if (request.entry === 'emulator') {
    authorize({ request, policy, domain, profile, flavor: asked?.flavor ?? null })
  }
  const wantsNics = asksForNics(request.line, { nics: request.nics, domain: domain?.nics ?? null })
  return { domain, profile, wantsNics, warnings: unknownToCommandLine(policy, asked) }
}

/**
 * A profile of the configuration.
 * @throws {UserError} exit 78 for one that is not there
 */
export function profileNamed(policy: Policy, name: string): NonNullable<PassInput['profile']> {
  const settings = policy.profiles[name]
  if (settings === undefined) {
    throw unknownProfile({ name, known: Object.keys(policy.profiles), config: policy.place([]) })
  }
  return { name, settings }
}
