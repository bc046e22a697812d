import type { CheckFacts } from '../host/check/facts.js'
import type { Check } from './check.js'
import { textOf } from './look.js'

export const ACTIVE_PROFILE = '/etc/tuned/active_profile'
export const TUNED_PID = '/run/tuned/tuned.pid'

/** Where profiles lie, the first that has one counts (tuned's consts.py; `profiles/` since 2.23). */
const PROFILES = ['/etc/tuned', '/etc/tuned/profiles', '/usr/lib/tuned', '/usr/lib/tuned/profiles']

export const TUNED_FILES = [ACTIVE_PROFILE, TUNED_PID, ...PROFILES.map((place) => `${place}/*/tuned.conf`)]

/** A setting of a profile: `[sysctl] kernel.nmi_watchdog`. */
export interface TunedSetting {
  readonly profile: string
  readonly section: string
  readonly key: string
  readonly value: string
}

/** What the active profile and those that it includes set, the one that wins first; empty when tuned is not running. */
export function tunedSettings(facts: CheckFacts): TunedSetting[] {
  const active = textOf(facts, ACTIVE_PROFILE)
  if (active === null || textOf(facts, TUNED_PID) === null) return []
  const seen = new Set<string>()
  return namesIn(active).flatMap((name) => settingsOf(facts, name, seen))
}

/** What stands last in a list overrides what stands before. A `-` is before one that may be missing. */
function namesIn(list: string): string[] {
  return list
    .split(/[\s,;]+/)
    .map((name) => name.replace(/^-/, ''))
    .filter((name) => name !== '')
    .reverse()
}

/**
 * @param seen files that were read: profiles may include each other in a circle, or one many times, and one in /etc that
 *   includes its own name means the packaged one (tuned's loader.py and locator.py)
 */
function settingsOf(facts: CheckFacts, profile: string, seen: Set<string>): TunedSetting[] {
  const paths = PROFILES.map((place) => `${place}/${profile}/tuned.conf`)
  const path = paths.find((one) => !seen.has(one) && textOf(facts, one) !== null)
  if (path === undefined) return []
  seen.add(path)
  const settings = parseProfile(profile, textOf(facts, path) ?? '')
  const included = settings.filter(({ section, key }) => section === 'main' && key === 'include')
  return [
    ...settings,
    ...included.flatMap(({ value }) => namesIn(value)).flatMap((name) => settingsOf(facts, name, seen)),
  ]
}

function parseProfile(profile: string, text: string): TunedSetting[] {
  return tunedParts(text).flatMap(({ type, lines }) =>
    lines.flatMap((line) => {
      // A comment may be at the end of a line, after a blank.
      const [, key, value = ''] = /^\s*([^#;=\s][^=]*?)\s*=\s*(.*?)(\s#.*)?$/.exec(line) ?? []
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
