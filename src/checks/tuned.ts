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

/** What stands last in a list overrides what stands before. */
function namesIn(list: string): string[] {
  return list
    .split(/[\s,]+/)
    .filter((name) => name !== '')
    .reverse()
}

/** @param seen profiles that were read: they may include each other in a circle, or one many times */
function settingsOf(facts: CheckFacts, profile: string, seen: Set<string>): TunedSetting[] {
  if (seen.has(profile)) return []
  seen.add(profile)
  const text = PROFILES.flatMap((place) => textOf(facts, `${place}/${profile}/tuned.conf`) ?? [])[0]
  if (text === undefined) return []
  const settings = parseProfile(profile, text)
  const included = settings.filter(({ section, key }) => section === 'main' && key === 'include')
  return [
    ...settings,
    ...included.flatMap(({ value }) => namesIn(value)).flatMap((name) => settingsOf(facts, name, seen)),
  ]
}

function parseProfile(profile: string, text: string): TunedSetting[] {
  let section = ''
  return text.split('\n').flatMap((line) => {
    const heading = /^\s*\[([^\]]+)\]/.exec(line)?.[1]
    if (heading !== undefined) section = heading
    const [, key, value = ''] = /^\s*([^#;=\s][^=]*?)\s*=\s*(.*)$/.exec(line) ?? []
    return key === undefined || heading !== undefined ? [] : [{ profile, section, key, value: value.trim() }]
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
  return section === 'sysfs' && reads.includes(key)
}
