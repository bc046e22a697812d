import type { DomainPolicy, Policy } from '../config/policy.js'
import type { DomainRequest } from '../record/vm.js'
import { selects } from '../units/glob.js'
import type { DomainSettings, PassInput } from './pass.js'
import type { Request } from './request.js'

/**
 * What a VM's domain gives it: the first `[[domain]]` entry whose globs all match, and before that what the domain asks
 * for itself in its metadata.
 * @param asked null when libvirt's hook has left nothing
 */
export function matchDomain(
  policy: Policy,
  guest: Request['guest'],
  asked: DomainRequest | null,
): PassInput['domain'] {
  const index = policy.domains.findIndex((domain) => matchesGuest(domain, guest, asked))
  const settings = policy.domains[index] ?? null
  if (settings === null && asked === null) return null
  const isAsked = asked !== null && asked.nics !== null
  return {
    profile: asked?.profile ?? settings?.profile ?? null,
    nics: isAsked ? asked.nics : (settings?.nics ?? null),
    entry: settings,
    nicsAreAsked: isAsked,
    ...(isAsked ? IN_METADATA : inConfiguration(policy, index)),
  }
}

const IN_METADATA: Pick<DomainSettings, 'place' | 'toAdd'> = {
  place: () => "<metadata> of the domain's XML",
  toAdd: (nic) => `<nic name="${nic}"/>`,
}

function inConfiguration(policy: Policy, index: number): typeof IN_METADATA {
  return {
    place: (device) => policy.place(['domain', index, 'nics', device]),
    toAdd: (nic) => `nics = ["${nic}"]`,
  }
}

/** Domains that select by what only libvirt's hook knows, when it has left nothing: a command line does not carry it. */
export function unknownToCommandLine(policy: Policy, asked: DomainRequest | null): string[] {
  if (asked !== null) return []
  return policy.domains.flatMap(({ flavor, instance }, index) => {
    if (flavor === null && instance === null) return []
    const what = flavor === null ? 'instance' : 'flavor'
    return [
      `[[domain]] ${index + 1} of ${policy.place([])} selects by ${what}, which only libvirt's hook can tell; passed over`,
    ]
  })
}

function matchesGuest(
  { name, uuid, flavor, instance }: DomainPolicy,
  guest: Request['guest'],
  asked: DomainRequest | null,
): boolean {
  return (
    selects(name, guest.name) &&
    selects(uuid, guest.uuid?.toLowerCase() ?? null) &&
    matchesNova(asked?.flavor ?? null, flavor) &&
    matchesNova(asked?.instance ?? null, instance)
  )
}

/** Of a VM that Nova did not make, even `*` says nothing. */
function matchesNova(value: string | null, glob: string | null): boolean {
  return glob === null || (value !== null && selects(glob, value))
}
