import type { Check, FixedBy, Group, Severity } from './check.js'
import { bySysctl } from './fixes.js'
import { isAbsent, numberOf, textOf, whyNot } from './look.js'
import { met, missed, notHere, unknown } from './verdicts.js'

/** A sysctl of one number. */
interface SysctlRow {
  readonly id: string
  readonly group: Group
  readonly severity: Severity
  readonly name: string
  readonly look: string
  readonly value: number
  /** What is as good; the value alone where it is not given. */
  readonly isGood?: (value: number) => boolean
  readonly wanted?: string
  readonly why: string
  readonly source: string
  /** What it means that the kernel has no such sysctl. */
  readonly whenMissing: string
}

/** Makes a check of a sysctl. */
export function sysctl(row: SysctlRow): Check {
  const { id, group, severity, name, look, value, why, source } = row
  const path = `/proc/sys/${name.replaceAll('.', '/')}`
  const isGood = row.isGood ?? ((found: number) => found === value)
  return {
    id,
    group,
    severity,
    look,
    reads: [path],
    wanted: () => row.wanted ?? `${name} = ${value}`,
    judge: ({ facts }) => {
      if (isAbsent(facts, path)) return notHere(row.whenMissing)
      const found = numberOf(facts, path)
      if (found === null) return unknown(whyNot(facts, path))
      return isGood(found) ? met(`${found}`) : missed({ severity }, `${name} is ${found}`)
    },
    why,
    fixedBy: 'sysctl',
    fix: () => bySysctl(name, value),
    source,
  }
}

/** A file of one word. */
interface ValueRow {
  readonly id: string
  readonly group: Group
  readonly severity: Severity
  readonly look: string
  readonly path: string
  readonly isGood: (text: string) => boolean
  readonly wanted: string
  readonly why: string
  readonly fixedBy: FixedBy
  readonly fix: string
  readonly source: string
  readonly whenMissing: string
  readonly tuned?: Check['tuned']
}

/** Makes a check of a file that has one value. */
export function value(row: ValueRow): Check {
  const { path, severity } = row
  return {
    ...common(row),
    reads: [path],
    wanted: () => row.wanted,
    judge: ({ facts }) => {
      const text = textOf(facts, path)
      if (text !== null) return row.isGood(text) ? met(text) : missed({ severity }, `${path} is ${text}`)
      return isAbsent(facts, path) ? notHere(row.whenMissing) : unknown(whyNot(facts, path))
    },
    fix: () => row.fix,
  }
}

function common({ id, group, severity, look, why, fixedBy, source, tuned }: ValueRow) {
  const named = { id, group, severity, look, why, fixedBy, source }
  return tuned === undefined ? named : { ...named, tuned }
}

/** What a kernel's boolean parameter says: `Y`, `N`, `1`, `0`. */
export function isOn(text: string): boolean {
  return /^[Yy1]/.test(text)
}
