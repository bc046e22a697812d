import { type CommandLine, type Option, parseCommandLine, type Word } from '../argv/command-line.js'
import { findOption, type OptionSpec } from '../argv/options.js'
import { badFlagValue, unknownFlag } from '../errors/command-line.js'

/** The wrapper's own options, as typed. */
export interface Flags {
  readonly config?: string
  readonly profile?: string
  readonly nic: readonly string[]
  readonly emulator?: string
  readonly sysroot?: string
  readonly dryRun: boolean
  readonly format?: string
  /** Seconds, as typed. */
  readonly wait?: string
  readonly help: boolean
}

const VALUED = ['config', 'profile', 'nic', 'emulator', 'sysroot', 'format', 'wait'] as const
type Valued = (typeof VALUED)[number]

/** One of the wrapper's own options where it stands. */
interface Given {
  /** With its dashes and without a value, for messages. */
  readonly spelled: string
  /** Without dashes and `rt-`. */
  readonly name: string
  /** null when there is none. */
  readonly value: string | null
}

/**
 * Reads the words between `run` and `--`.
 * @throws {UserError} exit 64 for an unknown option, a missing or doubled value, or a stray word
 */
export function parseRunFlags(words: readonly string[]): Flags {
  const given: Given[] = []
  for (let at = 0; at < words.length; at++) {
    const word = words[at] === '-h' ? '--help' : (words[at] ?? '')
    const [, spelled = word, name = '', value = null] = /^(--([^=]+))(?:=(.*))?$/s.exec(word) ?? []
    const takesNext = value === null && isValued(name)
    given.push({ spelled, name, value: takesNext ? (words[at + 1] ?? null) : value })
    if (takesNext) at++
  }
  return collect(
    given,
    [...VALUED, 'dry-run', 'help'].map((name) => `--${name}`),
  )
}

/**
 * Takes the wrapper's own options out of a QEMU command line, where an option may stand: `--rt-nic NAME`,
 * `--rt-nic=NAME`, with one dash too, and `--dry-run`.
 * @throws {UserError} exit 64 as above
 */
export function extractFlags(words: readonly Word[]): { readonly flags: Flags; readonly line: CommandLine } {
  const all = parseCommandLine(words, lookup)
  const own = all.filter((item) => item.kind === 'option' && item.spec?.name === OWN)
  return {
    flags: collect(
      own.flatMap(givenIn),
      [...VALUED, 'dry-run'].map((name) => `--rt-${name}`).concat('--dry-run'),
    ),
    line: own.length === 0 ? all : all.filter((item) => !own.includes(item)),
  }
}

/** How the parser of QEMU's command line knows the wrapper's own options. */
const OWN = 'rt'
const OWN_FLAG = /^--?(?:rt-([^=]*)|(dry-run))(?:=(.*))?$/s

function lookup(spelled: string): OptionSpec | null {
  const match = OWN_FLAG.exec(spelled)
  if (match === null) return findOption(spelled)
  const takesArgument = match[3] === undefined && isValued(match[1] ?? '')
  return { name: OWN, takesArgument, syntax: 'plain', repeats: 'list' }
}

function givenIn(item: CommandLine[number]): Given[] {
  const [, name, dryRun = '', value = null] = OWN_FLAG.exec(item.word.text) ?? []
  const spelled = item.word.text.replace(/=.*/s, '').replace(/^--?/, '--')
  const next = (item as Option).argument?.text ?? null
  return [{ spelled, name: name ?? dryRun, value: value ?? next }]
}

function isValued(name: string): name is Valued {
  return VALUED.some((valued) => valued === name)
}

function collect(given: readonly Given[], known: readonly string[]): Flags {
  const values: Partial<Record<Valued, string>> = {}
  const nic: string[] = []
  const switches = new Set<string>()
  for (const { spelled, name, value } of given) {
    if (!known.includes(spelled)) throw unknownFlag({ flag: spelled, known })
    if (!isValued(name)) {
      if (value !== null) throw badFlagValue({ flag: spelled, problem: 'takes no value' })
      switches.add(name)
      continue
    }
    if (value === null || value === '') throw badFlagValue({ flag: spelled, problem: 'a value is missing' })
    if (name === 'nic') nic.push(value)
    else if (values[name] !== undefined)
      throw badFlagValue({ flag: spelled, problem: 'given more than once' })
    else values[name] = value
  }
  return { ...values, nic, dryRun: switches.has('dry-run'), help: switches.has('help') }
}
