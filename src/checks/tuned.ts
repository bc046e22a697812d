import type { CheckFacts } from '../host/check/facts.js'
import type { Check } from './check.js'
import { textOf, textsOf } from './look.js'

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

/** Profiles include others, in a circle if somebody wrote one. */
const DEEPEST = 16

/** What the active profile and those that it includes set, the one that wins first; empty when tuned is not running. */
export function tunedSettings(facts: CheckFacts): TunedSetting[] {
  const active = textOf(facts, ACTIVE_PROFILE)
  if (active === null || textOf(facts, TUNED_PID) === null) return []
  const names = active.split(/\s+/).filter((name) => name !== '')
  return names.reverse().flatMap((name) => settingsOf(facts, name, DEEPEST))
}

function settingsOf(facts: CheckFacts, profile: string, depth: number): TunedSetting[] {
  const text = PROFILES.flatMap((place) => textsOf(facts, `${place}/*/tuned.conf`)).find(([path]) =>
    path.endsWith(`/${profile}/tuned.conf`),
  )?.[1]
  if (text === undefined || depth === 0) return []
  const settings = parseProfile(profile, text)
  const included = settings
    .filter(({ section, key }) => section === 'main' && key === 'include')
    .flatMap(({ value }) => value.split(/[\s,]+/).reverse())
  // What follows an include in its list overrides what stands before.
  return [...settings, ...included.flatMap((name) => settingsOf(facts, name, depth - 1))]
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
