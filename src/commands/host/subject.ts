import type { Subject } from '../../checks/check.js'
import { findSets, profileNeeds } from '../../checks/sets.js'
import { WANTED } from '../../checks/table.js'
import { findConfig } from '../../config/find.js'
import { loadPolicy } from '../../config/load.js'
import type { DomainPolicy, Policy } from '../../config/policy.js'
import { unknownProfile } from '../../errors/plan.js'
import { readCheckFacts } from '../../host/check/read.js'
import type { HostFacts } from '../../host/facts.js'
import { readHostFacts } from '../../host/read.js'
import { findNicOrWhy } from '../../plan/nics/find.js'
import type { KnownHost } from '../../plan/nics/known-host.js'
import { obstacles } from '../../plan/nics/readiness.js'
import { NOTHING_KNOWN } from '../../plan/nics/uses.js'

/** Which host is judged, and by which configuration. */
export interface SubjectOptions {
  readonly config?: string
  readonly profile?: string
  readonly sysroot: string
  /** Whether the host is going to be changed by it: then nobody but root may be able to change the configuration. */
  readonly isRoots?: boolean
}

/**
 * Reads all that checks look at: the host, and what the configuration asks of it. Nothing is changed.
 * @throws {UserError} what reading the configuration and the host does; exit 78 for a profile that is not defined
 */
export async function readSubject(options: SubjectOptions): Promise<Subject> {
  return (await readSubjectWhole(options)).subject
}

/** As `readSubject`, with the configuration and the host that it is of. */
export async function readSubjectWhole({
  config,
  profile,
  sysroot,
  isRoots = false,
}: SubjectOptions): Promise<{
  readonly subject: Subject
  readonly policy: Policy
  readonly host: HostFacts
}> {
  const policy = await loadPolicy({ ...findConfig(config, process.env), emulatorMode: isRoots })
  const known = Object.keys(policy.profiles)
  if (profile !== undefined && !known.includes(profile))
    throw unknownProfile({ name: profile, known, config: policy.place([]) })
  const facts = readCheckFacts(sysroot, WANTED)
  const host = readHostFacts(sysroot)
  const profiles = profileNeeds(policy, profile ?? null)
  const subject: Subject = {
    facts,
    configured: policy.host,
    profiles,
    sets: findSets(facts, policy.host, profiles),
    nics: Object.keys(policy.nics).map((name) => lookUp(name, policy, host)),
    domainProblems: policy.domains.flatMap((domain) => problemsOf(domain, policy, host)),
    hugePages: host.hugePages ?? [],
    nodes: host.cpus?.nodes ?? {},
  }
  return { subject, policy, host }
}

function lookUp(name: string, policy: Policy, host: KnownHost): Subject['nics'][number] {
  const found = findNicOrWhy(name, policy, host)
  if (typeof found === 'string') return { name, error: found, nodes: [], obstacles: [] }
  const { devices } = found
  const useOf = host.useOf ?? NOTHING_KNOWN
  const kept = devices.flatMap((device) => obstacles(device, host.pci, useOf)).map(({ what }) => what)
  const nodes = devices.flatMap(({ numaNode }) => numaNode ?? [])
  return { name, error: null, nodes: [...new Set(nodes)], obstacles: kept }
}

/** NICs that an entry names and that are neither configured nor on this host; those that are configured have a check of their own. */
function problemsOf({ nics }: DomainPolicy, policy: Policy, host: KnownHost): string[] {
  if (nics === null) return []
  const names = 'add' in nics ? nics.add : Object.values(nics.replace)
  return names
    .filter((name) => !Object.hasOwn(policy.nics, name))
    .flatMap((name) => lookUp(name, policy, host).error ?? [])
}
