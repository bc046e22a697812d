import type { CheckFacts } from '../host/check/facts.js'
import type { Check } from './check.js'
import { textOf } from './look.js'

export const ACTIVE_PROFILE = '/etc/tuned/active_profile'
export const TUNED_PID = '/run/tuned/tuned.pid'

/** Where profiles lie, the first that has one counts (tuned's consts.py; `profiles/` since 2.23). */
const PROFILES = ['/etc/tuned', '/etc/tuned/profiles', '/usr/lib/tuned', '/usr/lib/tuned/profiles']

/** Where packages keep variables of profiles, for `include=` under `[variables]`. */
const VARIABLES = '/etc/tuned/*-variables.conf'

export const TUNED_FILES = [
  ACTIVE_PROFILE,
  TUNED_PID,
  ...PROFILES.map((place) => `${place}/*/tuned.conf`),
  VARIABLES,
]

/** A setting of a profile: `[sysctl] kernel.nmi_watchdog`. */
export interface TunedSetting {
  readonly profile: string
  readonly section: string
  readonly key: string
  readonly value: string
}

/** What is known of tuned on a host. */
export interface TunedFacts {
  /** What the active profile and those that it includes set, the one that wins first; empty when tuned is not running. */
  readonly settings: readonly TunedSetting[]
  /** Includes of profiles that stand for another name than is known: `profile 'site' includes 'base-${kind}'`. */
  readonly unknown: readonly string[]
}

export function readTuned(facts: CheckFacts): TunedFacts {
  const active = textOf(facts, ACTIVE_PROFILE)
  if (active === null || textOf(facts, TUNED_PID) === null) return { settings: [], unknown: [] }
  const found: Found = { seen: new Set(), variables: new Map(), unknown: [] }
  const settings = namesIn(active).flatMap((name) => settingsOf(facts, name, found))
  return { settings, unknown: found.unknown }
}

export function tunedSettings(facts: CheckFacts): readonly TunedSetting[] {
  return readTuned(facts).settings
}

/** What a walk through profiles has come by. */
interface Found {
  /**
   * Files that were read: profiles may include each other in a circle, or one many times, and one in /etc that includes its own
   * name means the packaged one (tuned's loader.py and locator.py).
   */
  readonly seen: Set<string>
  /** Of all profiles, as they were loaded; null for one whose value is not known. */
  readonly variables: Map<string, string | null>
  readonly unknown: string[]
}

/** What stands last in a list overrides what stands before. A `-` is before one that may be missing. */
function namesIn(list: string): string[] {
  return list
    .split(/[\s,;]+/)
    .map((name) => name.replace(/^-/, ''))
    .filter((name) => name !== '')
    .reverse()
}

function settingsOf(facts: CheckFacts, profile: string, found: Found): TunedSetting[] {
  const { seen, variables, unknown } = found
  const paths = PROFILES.map((place) => `${place}/${profile}/tuned.conf`)
  const path = paths.find((one) => !seen.has(one) && textOf(facts, one) !== null)
  if (path === undefined) return []
  seen.add(path)
  const settings = parseProfile(profile, textOf(facts, path) ?? '')
  for (const { section, key, value } of settings) {
    if (section !== 'variables') continue
    if (key === 'include') addVariables(facts, value, variables)
    else variables.set(key, expand(value, variables))
  }
  const included = settings
    .filter(({ section, key }) => section === 'main' && key === 'include')
    .flatMap(({ value }) => {
      const names = expand(value, variables)
      if (names === null) unknown.push(`profile '${profile}' includes '${value}'`)
      return names === null ? [] : namesIn(names)
    })
  return [...settings, ...included.flatMap((name) => settingsOf(facts, name, found))]
}

/** Reads a file of variables (tuned's variables.py, add_from_file). */
function addVariables(facts: CheckFacts, path: string, variables: Found['variables']): void {
  for (const line of (textOf(facts, path) ?? '').split('\n')) {
    const [, key, value = ''] = SETTING.exec(line) ?? []
    if (key !== undefined) variables.set(key, expand(value.trim(), variables))
  }
}

/**
 * Puts values in the place of `${variables}`; `\${` stands for itself (tuned's variables.py, expand).
 * @returns null for a variable that is not known, and for a function, as in `${f:exec:…}`, which is not called
 */
function expand(text: string, variables: Found['variables']): string | null {
  let isKnown = true
  const expanded = text.replace(/\\?\$\{([^}]*)\}/g, (written, name: string) => {
    if (written.startsWith('\\')) return written.slice(1)
    const value = variables.get(name) ?? null
    if (value === null) isKnown = false
    return value ?? ''
  })
  return isKnown ? expanded : null
}

/** A comment may be at the end of a line, after a blank. */
const SETTING = /^\s*([^#;=\s][^=]*?)\s*=\s*(.*?)(\s#.*)?$/

function parseProfile(profile: string, text: string): TunedSetting[] {
  return tunedParts(text).flatMap(({ type, lines }) =>
    lines.flatMap((line) => {
      const [, key, value = ''] = SETTING.exec(line) ?? []
      return key === undefined ? [] : [{ profile, section: type, key, value: value.trim() }]
    }),
  )
}

/** A part of tuned.conf: `[sysctl]`, or one of any name that says so by `type=sysctl`. */
interface TunedPart {
  readonly type: string
  readonly heading: string
  readonly lines: readonly string[]
}

/** Splits a profile into its parts. */
export function tunedParts(text: string): TunedPart[] {
  const parts: { heading: string; name: string; lines: string[] }[] = []
  for (const line of text.split('\n')) {
    const name = /^\s*\[([^\]]+)\]/.exec(line)?.[1]
    if (name !== undefined) parts.push({ heading: line, name, lines: [] })
    else parts.at(-1)?.lines.push(line)
  }
  return parts.map(({ heading, name, lines }) => {
    const type = lines.map((line) => /^\s*type\s*=\s*(\w+)/.exec(line)?.[1]).find((one) => one !== undefined)
    return { type: type ?? name, heading, lines }
  })
}

/** The profile that owns the value of a check, and sets it back; null when none does. */
export function owner(check: Check, settings: readonly TunedSetting[]): string | null {
  const found = settings.find((setting) => sets(setting, check))
  return found?.profile ?? null
}

function sets({ section, key, value }: TunedSetting, { reads, tuned = [] }: Check): boolean {
  if (section === 'bootloader') {
    // cmdline_realtime=+isolcpus=… nosoftlockup
    const parameters = key.startsWith('cmdline')
      ? value.split(/[\s+]+/).map((word) => word.split('=')[0])
      : []
    return tuned.some(([own, name]) => own === section && parameters.includes(name))
  }
  if (tuned.some(([own, name]) => own === section && name === key)) return true
  if (section === 'sysctl') return reads.includes(`/proc/sys/${key.replaceAll('.', '/')}`)
  return section === 'sysfs' && reads.some((pattern) => pattern === key || fits(key, pattern))
}

/** Whether a path is one of those that a pattern stands for. */
function fits(path: string, pattern: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
  return parts.length > 1 && new RegExp(`^${parts.join('[^/]*')}$`).test(path)
}
