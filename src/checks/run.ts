import type { Finding, Level } from '../errors/finding.js'
import type { Check, FixedBy, Group, Severity, Subject, Verdict } from './check.js'
import { SYSCTL_FILE } from './fixes.js'
import { isReadAfter, sysctlAtBoot } from './sysctl-files.js'
import { CHECKS } from './table.js'
import { owner, tunedSettings } from './tuned.js'
import { unknown } from './verdicts.js'

/** A check and what it found on a host. */
export interface Result extends Finding {
  readonly group: Group
  readonly severity: Severity
  readonly look: string
  /** False for what this host does not have, and so passes. */
  readonly applies: boolean
  readonly wanted: string
  readonly why: string
  readonly fixedBy: FixedBy | null
  readonly source: string
  /** The profile of tuned's that sets the value; null when none does. */
  readonly tunedProfile: string | null
}

/** How many results there are of each level. */
export type Counts = Readonly<Record<Level, number>>

/** Judges a host by every check. Pure: the same subject has the same results. */
export function runChecks(subject: Subject, checks: readonly Check[] = CHECKS): Result[] {
  const settings = tunedSettings(subject.facts)
  return checks.map((check) => {
    const { level, found, fix, applies = true } = judge(check, subject)
    const profile = owner(check, settings)
    const isDone = level === 'pass' || level === 'unknown'
    const advice = isDone ? '' : (fix ?? check.fix(subject.sets))
    return {
      id: check.id,
      group: check.group,
      severity: check.severity,
      look: check.look,
      level,
      applies,
      what: found,
      wanted: check.wanted(subject.sets),
      why: check.why,
      todo: advice === '' ? null : ownedFix(`${advice}${laterLine(check, subject)}`, profile),
      fixedBy: check.fixedBy,
      source: check.source,
      tunedProfile: profile,
    }
  })
}

function judge(check: Check, subject: Subject): Verdict {
  if (check.isAboutRealtime && subject.sets.realtime.length === 0)
    return unknown(`which CPUs are real-time is not known: see ${whereRealtime(subject)}`)
  return check.judge(subject)
}

/** The check that says what is missing: no CPU is named, or none that this host has. */
function whereRealtime({ configured }: Subject): string {
  return configured.realtime === null ? 'config.realtime' : 'config.cpus'
}

/** What tuned owns it sets back, so the advice is where to change it. */
function ownedFix(fix: string, profile: string | null): string {
  return profile === null
    ? fix
    : `tuned's profile '${profile}' sets this, and would set it back; correct it there or in a profile of your own that includes it; without tuned, ${fix}`
}

/** What undoes a sysctl's fix at the next boot: a line of a file that is read after the one that the fix writes. */
function laterLine(check: Check, subject: Subject): string {
  const [path = ''] = check.reads
  if (check.fixedBy !== 'sysctl' || !path.startsWith(SYSCTLS)) return ''
  const other = sysctlAtBoot(subject.facts, path.slice(SYSCTLS.length))
  if (other === null || !isReadAfter(other.file, SYSCTL_FILE)) return ''
  const files = new Map([...subject.facts.files, [path, { text: other.value }] as const])
  const { level } = check.judge({ ...subject, facts: { ...subject.facts, files } })
  return level === 'pass' ? '' : `, and take out its line in ${other.file}, which is read later`
}

const SYSCTLS = '/proc/sys/'

/** Counts results by level. */
export function count(results: readonly Result[]): Counts {
  const of = (level: Level) => results.filter((result) => result.level === level).length
  return { pass: of('pass'), warn: of('warn'), fail: of('fail'), note: of('note'), unknown: of('unknown') }
}
