import type { CheckFacts, FileFact } from '../host/check/facts.js'
import { parseCpuMask } from '../units/cpu-mask.js'
import { type CpuSet, formatCpuSet, parseCpuSet } from '../units/cpu-set.js'

/** What a file says, without white space around it; null when it was not read. @param path one that the check names under `reads` */
export function textOf({ files }: CheckFacts, path: string): string | null {
  return files.get(path)?.text?.trim() ?? null
}

/** A file's decimal number; null when there is none. */
export function numberOf(facts: CheckFacts, path: string): number | null {
  const text = textOf(facts, path)
  return text !== null && /^-?\d{1,18}$/.test(text) ? Number(text) : null
}

/** A file's CPU list; null when it was not read or is none. */
export function cpusOf(facts: CheckFacts, path: string): CpuSet | null {
  const text = textOf(facts, path)
  return text === null ? null : parseCpuSet(text)
}

/** A file's CPU mask; null when it was not read or is none. */
export function maskOf(facts: CheckFacts, path: string): CpuSet | null {
  const text = textOf(facts, path)
  return text === null ? null : parseCpuMask(text)
}

/** The files that fit a pattern and were read, by path. */
export function textsOf({ files }: CheckFacts, pattern: string): [path: string, text: string][] {
  const fits = patternOf(pattern)
  return [...files].flatMap(([path, fact]) =>
    fact.text !== null && fits.test(path) ? [[path, fact.text.trim()] as [string, string]] : [],
  )
}

const patterns = new Map<string, RegExp>()

/** A `*` stands for any part of one name. */
function patternOf(pattern: string): RegExp {
  const known = patterns.get(pattern)
  if (known !== undefined) return known
  const made = new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^/]*')}$`)
  patterns.set(pattern, made)
  return made
}

/**
 * Whether what a path or pattern stands for is not on this host. A container hides files, and shows others in their place,
 * so there nothing is known by what is missing.
 */
export function isAbsent(facts: CheckFacts, path: string): boolean {
  return seesHost(facts) && isMissing(facts, path)
}

/** Whether it is the host itself that was looked at: only there the kernel's own threads are seen. */
export function seesHost({ threads }: CheckFacts): boolean {
  return threads !== null
}

/** Whether a path or pattern is not there, rather than hidden from this user. */
export function isMissing({ files }: CheckFacts, path: string): boolean {
  const fact = files.get(path)
  return fact !== undefined && fact.text === null && saysMissing(fact.why)
}

function saysMissing(why: string): boolean {
  return why === 'ENOENT' || why === 'ENOTDIR' || why === 'ENODEV'
}

/** Why a file was not read, for `unknown`. @param path or the pattern that no file fits */
export function whyNot(facts: CheckFacts, path: string): string {
  const fact: FileFact | undefined = facts.files.get(path)
  if (fact === undefined) return `${path} was not looked at`
  if (fact.text !== null) return `${path} says ${fact.text.slice(0, 60)}`
  if (saysMissing(fact.why))
    return seesHost(facts) ? `${path} is not there` : `${path} is not to be seen from here`
  const denied = fact.why === 'EACCES' || fact.why === 'EPERM'
  return denied ? `this user may not read ${path}; run it as root` : `${path} cannot be read (${fact.why})`
}

/** `CPU 4` or `CPUs 4-7`. */
export function cpusText(cpus: CpuSet): string {
  if (cpus.length === 0) return 'no CPU'
  return `${cpus.length === 1 ? 'CPU' : 'CPUs'} ${formatCpuSet(cpus)}`
}

/** A list cut after a few: what stands for many is counted. */
export function few(names: readonly string[], most = 4): string {
  const more = names.length - most
  return more > 0 ? `${names.slice(0, most).join(', ')} and ${more} more` : names.join(', ')
}

/** The release of the kernel that runs; null when it is not known. */
export function releaseOf(facts: CheckFacts): string | null {
  return textOf(facts, RELEASE)
}

export const RELEASE = '/proc/sys/kernel/osrelease'
export const COMMAND_LINE = '/proc/cmdline'
