import parse from 'yargs-parser'
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
  readonly help: boolean
}

const VALUED = ['config', 'profile', 'nic', 'emulator', 'sysroot', 'format'] as const
const SWITCHES = ['dry-run', 'help'] as const

/** Options of `run` by name, for messages and for `--rt-` spelling. `help` is QEMU's own in an emulator command line. */
const KNOWN = [...VALUED, ...SWITCHES].map((name) => `--${name}`)
const KNOWN_IN_LINE = [...VALUED, 'dry-run'].map((name) => `--rt-${name}`).concat('--dry-run')

/**
 * Reads the words between `run` and `--`.
 * @throws {UserError} exit 64 for an unknown option, a missing or doubled value, or a stray word
 */
export function parseRunFlags(words: readonly string[]): Flags {
  return parseFlags(words, '', KNOWN)
}

/**
 * Takes the wrapper's own options out of a QEMU command line, where an option may stand: `--rt-nic NAME`,
 * `--rt-nic=NAME`, with one dash too, and `--dry-run`.
 * @throws {UserError} exit 64 as above
 */
export function extractFlags(words: readonly Word[]): { readonly flags: Flags; readonly line: CommandLine } {
  const all = parseCommandLine(words, lookup)
  const own = all.filter((item): item is Option => item.kind === 'option' && item.spec?.name === OWN)
  const typed = own.flatMap(ownWords)
  return {
    flags: parseFlags(typed, 'rt-', KNOWN_IN_LINE),
    line: all.filter((item) => !own.includes(item as Option)),
  }
}

const OWN = 'rt'
const OWN_FLAG = /^--?(rt-[^=]*|dry-run)(=.*)?$/s

function lookup(spelled: string): OptionSpec | null {
  const match = OWN_FLAG.exec(spelled)
  if (match === null) return findOption(spelled)
  const [, name = '', value] = match
  const takesArgument = value === undefined && VALUED.some((valued) => name === `rt-${valued}`)
  return { name: OWN, takesArgument, syntax: 'plain', repeats: 'list' }
}

function ownWords({ word, argument, spec }: Option): string[] {
  const spelled = word.text.replace(/^--?(?:rt-dry-run|dry-run)/, '--rt-dry-run').replace(/^-(?!-)/, '--')
  if (spec?.takesArgument && argument === null) throw valueMissing(spelled)
  return argument === null ? [spelled] : [`${spelled}=${argument.text}`]
}

function parseFlags(words: readonly string[], prefix: string, known: readonly string[]): Flags {
  const { argv, error } = parse.detailed([...words], {
    string: VALUED.map((name) => prefix + name),
    boolean: SWITCHES.map((name) => prefix + name),
    narg: Object.fromEntries(VALUED.map((name) => [prefix + name, 1])),
    configuration: {
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'duplicate-arguments-array': true,
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'short-option-groups': false,
      'unknown-options-as-args': true,
    },
  })
  const stray = argv._[0]
  if (stray !== undefined) throw unknownFlag({ flag: String(stray).replace(/=.*/s, ''), known })
  // yargs-parser's one complaint: "Not enough arguments following: profile".
  if (error !== null) throw valueMissing(`--${error.message.split(': ').at(-1)}`)
  const values = (name: (typeof VALUED)[number]) => [argv[prefix + name] ?? []].flat().map(String)
  const single = (name: (typeof VALUED)[number]) => {
    const given = values(name)
    const [value] = given
    if (given.length > 1) throw badFlagValue({ flag: `--${prefix}${name}`, problem: 'given more than once' })
    if (value === '') throw valueMissing(`--${prefix}${name}`)
    return value === undefined ? {} : { [name]: value }
  }
  return {
    ...single('config'),
    ...single('profile'),
    ...single('emulator'),
    ...single('sysroot'),
    ...single('format'),
    nic: values('nic'),
    dryRun: [argv[`${prefix}dry-run`]].flat().at(-1) === true,
    help: argv.help === true,
  }
}

function valueMissing(flag: string) {
  return badFlagValue({ flag, problem: 'a value is missing' })
}
