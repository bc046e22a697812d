import type { Subject } from '../../src/checks/check.js'
import { findSets } from '../../src/checks/sets.js'
import { readSubject } from '../../src/commands/host/subject.js'
import type { CheckFacts, FileFact, OwnerFact, ThreadFact } from '../../src/host/check/facts.js'

/** The host of fixtures/hosts/check-ready, of which nothing fails and nothing warns. */
export const READY: Subject = await readSubject({
  config: 'fixtures/checks/ready/qemu-rt.toml',
  sysroot: 'fixtures/hosts/check-ready',
})

/** In what a host differs from one that is ready. */
export interface Change {
  /** Texts of files; null for one that is not there, `EACCES` and other errno names in `hidden`. */
  readonly files?: Readonly<Record<string, string | null>>
  readonly hidden?: Readonly<Record<string, string>>
  readonly owners?: Readonly<Record<string, Partial<OwnerFact> | null>>
  readonly threads?: readonly ThreadFact[] | null
  readonly moreThreads?: readonly ThreadFact[]
  readonly facts?: Partial<CheckFacts>
  readonly subject?: Partial<Subject>
}

/** A host that is ready but for a change. */
export function changed({ files = {}, hidden = {}, owners = {}, ...change }: Change): Subject {
  const { facts } = READY
  const texts = Object.entries(files).map(([path, text]): [string, FileFact] => [
    path,
    text === null ? { text, why: 'ENOENT' } : { text },
  ])
  const unread = Object.entries(hidden).map(([path, why]): [string, FileFact] => [path, { text: null, why }])
  const threads = change.threads === undefined ? facts.threads : change.threads
  const now: CheckFacts = {
    ...facts,
    files: new Map([...facts.files, ...texts, ...unread]),
    owners: changedOwners(owners),
    threads: threads && [...threads, ...(change.moreThreads ?? [])],
    ...change.facts,
  }
  const configured = change.subject?.configured ?? READY.configured
  const profiles = change.subject?.profiles ?? READY.profiles
  return { ...READY, facts: now, sets: findSets(now, configured, profiles), ...change.subject }
}

function changedOwners(changes: NonNullable<Change['owners']>): CheckFacts['owners'] {
  const owners = new Map(READY.facts.owners)
  for (const [path, change] of Object.entries(changes)) {
    const before = owners.get(path) ?? { kind: 'file', uid: 0, gid: 0, mode: 0o755 }
    if (change === null) owners.delete(path)
    else owners.set(path, { ...before, ...change })
  }
  return owners
}
