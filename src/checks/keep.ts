import { keptOfCommandLine } from './command-line.js'
import { INSTALLED_PART, LIMIT_FILES } from './install.js'
import { IRQBALANCE_FILES } from './interrupts.js'
import { COMMAND_LINE } from './look.js'
import { keptOfSysctls } from './sysctl-files.js'
import { CHECKS } from './table.js'
import { tunedParts } from './tuned.js'

/** What `capture` keeps of a file that may say more than a check needs, secrets among it. */
type Keep = readonly [pattern: RegExp, keep: (text: string) => string]

function linesThat(wanted: (line: string) => boolean): (text: string) => string {
  return (text) => `${text.split('\n').filter(wanted).join('\n')}\n`
}

/** Sections of tuned.conf that set what checks look at; not scripts, and variables only where an include is made of them. */
const TUNED_SECTIONS = [
  'main',
  'sysctl',
  'sysfs',
  'bootloader',
  'cpu',
  'vm',
  'scheduler',
  'irqbalance',
  'net',
]

function tunedSections(text: string): string {
  const hasVariables = /^\s*include\s*=.*\$\{/m.test(text)
  const kept = tunedParts(text).filter(
    ({ type }) => TUNED_SECTIONS.includes(type) || (hasVariables && type === 'variables'),
  )
  const lines = kept.flatMap(({ heading, lines }) => [heading, ...lines])
  return linesThat((line) => !/^\s*(#|$)/.test(line))(lines.join('\n'))
}

/** Sysctls that checks look at. */
const SYSCTL_NAMES = CHECKS.flatMap(({ reads }) => reads)
  .filter((path) => path.startsWith('/proc/sys/'))
  .map((path) => path.slice('/proc/sys/'.length))

const KEEP: readonly Keep[] = [
  [new RegExp(`^${COMMAND_LINE}$`), keptOfCommandLine],
  // Without who built it, and where.
  [
    /^\/proc\/version$/,
    (text) => `${/^Linux version \S+/.exec(text)?.[0] ?? ''} ${/#\d+ .*/.exec(text)?.[0] ?? ''}\n`,
  ],
  [new RegExp(`^(${IRQBALANCE_FILES.join('|')})$`), linesThat((line) => /IRQBALANCE_BANNED_CPU/.test(line))],
  [
    new RegExp(`^(${LIMIT_FILES.map((path) => path.replace('*', '[^/]*')).join('|')})$`),
    linesThat((line) => /^\s*(\[Service\]|Limit(RTPRIO|MEMLOCK)\s*=)/.test(line)),
  ],
  [/^\/etc\/apparmor\.d\//, linesThat((line) => line === INSTALLED_PART)],
  [/\/tuned\.conf$/, tunedSections],
  [/\/tuned\/[^/]*-variables\.conf$/, linesThat((line) => /^\s*\w+\s*=/.test(line))],
  [/\/sysctl(\.d\/[^/]+)?\.conf$/, (text) => keptOfSysctls(text, SYSCTL_NAMES)],
]

/** What of a file is kept: all of it, unless it may say more than a check needs. */
export function keptOf(path: string, text: string): string {
  return KEEP.find(([pattern]) => pattern.test(path))?.[1](text) ?? `${text}\n`
}
