import type { CheckFacts } from '../host/check/facts.js'

/**
 * Where sysctls are set at boot: of files of one name the first directory's counts (sysctl.d(5)). sysctl --system reads
 * /etc/sysctl.conf last (sysctl(8)); systemd-sysctl reads it by a link in /etc/sysctl.d alone.
 */
const PLACES = [
  '/etc/sysctl.d',
  '/run/sysctl.d',
  '/usr/local/lib/sysctl.d',
  '/usr/lib/sysctl.d',
  '/lib/sysctl.d',
]
const LAST = '/etc/sysctl.conf'

export const SYSCTL_FILES = [...PLACES.map((place) => `${place}/*.conf`), LAST]

/** A line that sets a sysctl. */
export interface SysctlLine {
  readonly file: string
  readonly value: string
}

/**
 * Finds who sets a sysctl at boot: of all lines the last one wins, whether it names the sysctl or has a pattern for it.
 * @param name `vm.swappiness`
 * @param counts whether a file does; all without it
 * @returns null when none sets it
 */
export function sysctlAtBoot(
  { files }: Pick<CheckFacts, 'files'>,
  name: string,
  counts: (file: string) => boolean = () => true,
): SysctlLine | null {
  const key = slashed(name)
  const lines = inOrder([...files.keys()]).flatMap((file) => {
    const text = counts(file) ? files.get(file)?.text : null
    return text == null ? [] : settingsIn(text).map((one) => ({ ...one, file }))
  })
  const named = lines.filter((line) => line.key === key)
  // What names it wins over patterns, in whichever order they stand.
  const found = (named.length > 0 ? named : lines.filter((line) => fits(key, line.key))).at(-1)
  return found === undefined ? null : { file: found.file, value: found.value }
}

/** Whether a file is read after another one. */
export function isReadAfter(file: string, other: string): boolean {
  return file !== other && inOrder([file, other]).at(-1) === file
}

/** The files that count, in the order in which they are read. */
function inOrder(paths: readonly string[]): string[] {
  const byName = new Map<string, string>()
  for (const place of PLACES)
    for (const path of paths) {
      const name = path.startsWith(`${place}/`) ? path.slice(place.length + 1) : ''
      if (/^[^/*]+\.conf$/.test(name) && !byName.has(name)) byName.set(name, path)
    }
  const sorted = [...byName].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  return [...sorted.map(([, path]) => path), ...paths.filter((path) => path === LAST)]
}

interface Setting {
  readonly key: string
  readonly value: string
}

/** A `-` before a key says that a failure does not matter. */
function settingsIn(text: string): Setting[] {
  return text.split('\n').flatMap((line) => {
    const [, key, value] = /^\s*-?\s*([^\s#;=-][^\s=]*)\s*=\s*(.*?)\s*$/.exec(line) ?? []
    return key === undefined || value === undefined ? [] : [{ key: slashed(key), value }]
  })
}

/** `vm/swappiness`: where the first separator is a dot, dots and slashes are exchanged (sysctl.d(5)). */
function slashed(key: string): string {
  const first = /[./]/.exec(key)?.[0]
  return first === '.' ? key.replace(/[./]/g, (one) => (one === '.' ? '/' : '.')) : key
}

/** @param pattern glob(7) within one name */
function fits(key: string, pattern: string): boolean {
  if (!/[*?[]/.test(pattern)) return false
  const source = pattern
    .replace(/[.+^${}()|\\]/g, '\\$&')
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]')
  try {
    return new RegExp(`^${source}$`).test(key)
  } catch {
    return false
  }
}

/** What of such a file `capture` keeps: lines that set one of these. */
export function keptOfSysctls(text: string, names: readonly string[]): string {
  const keys = names.map(slashed)
  const kept = text.split('\n').filter((line) => {
    const [setting] = settingsIn(line)
    return setting !== undefined && keys.some((key) => key === setting.key || fits(key, setting.key))
  })
  return `${kept.join('\n')}\n`
}
