import { type CommandLine, type Item, parseCommandLine, type Word, wordsOf } from '../argv/command-line.js'
import { findOption, type OptionSpec } from '../argv/options.js'
import { badFlagValue, unknownFlag } from '../errors/command-line.js'
import libraries from '../libraries.cjs'

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

/** Those of `qemu-rt run`, before `--`. */
const OF_RUN = [...VALUED, 'dry-run', 'help'].map((name) => `--${name}`)

/** Those on QEMU's command line. */
const ON_LINE = [...VALUED, 'dry-run'].map((name) => `--rt-${name}`).concat('--dry-run')

/**
 * Reads the words between `run` and `--`.
 * @throws {UserError} exit 64 for an unknown option, a missing or doubled value, or a stray word
 */
export function parseRunFlags(words: readonly string[]): Flags {
  return readFlags(parseCommandLine(wordsOf(words), lookupOfRun), OF_RUN)
}

/**
 * Takes the wrapper's own options out of a QEMU command line, where an option may stand: `--rt-nic NAME`,
 * `--rt-nic=NAME`, with one dash too, and `--dry-run`.
 * @throws {UserError} exit 64 as above
 */
export function extractFlags(words: readonly Word[]): { readonly flags: Flags; readonly line: CommandLine } {
  const all = parseCommandLine(words, lookupOnLine)
  const own = all.filter((item) => item.kind === 'option' && item.spec?.name === OWN)
  return {
    flags: readFlags(own, ON_LINE),
    line: own.length === 0 ? all : all.filter((item) => !own.includes(item)),
  }
}

/** How the parser of QEMU's command line knows the wrapper's own options. */
const OWN = 'rt'
const ownOption = (takesArgument: boolean): OptionSpec => {
  return { name: OWN, takesArgument, syntax: 'plain', repeats: 'list' }
}

function lookupOfRun(spelled: string): OptionSpec {
  return ownOption(VALUED.some((name) => spelled === `--${name}`))
}

function lookupOnLine(spelled: string): OptionSpec | null {
  if (!/^--?(rt-|dry-run(=|$))/.test(spelled)) return findOption(spelled)
  return ownOption(VALUED.some((name) => spelled.replace(/^--?/, '') === `rt-${name}`))
}

/** What yargs-parser is told, so that a value stays as it was typed: numbers, quotes, dots and dashes mean nothing. */
const AS_TYPED = {
  'boolean-negation': false,
  'camel-case-expansion': false,
  'dot-notation': false,
  'nargs-eats-options': true,
  'parse-numbers': false,
  'short-option-groups': false,
}

/** What yargs-parser 22 complains of (eatNargs in its build/lib/yargs-parser.js), and how we say it. */
const COMPLAINTS = [
  [/^Not enough arguments following: (.*)$/, 'a value is missing'],
  [/^Argument unexpected for: (.*)$/, 'takes no value'],
] as const

/**
 * Has yargs-parser read options that were found. Most launches have none, and do not load it.
 * @param own with their arguments as separate words, or after `=`
 * @param known with their dashes
 */
function readFlags(own: CommandLine, known: readonly string[]): Flags {
  const words = own.flatMap((item) => knownWords(item, known))
  if (words.length === 0) return { nic: [], dryRun: false, help: false }
  const keys = known.map((spelled) => spelled.slice(2))
  const { argv, error } = libraries.yargsParser().detailed(words, {
    string: keys.filter(isValued),
    narg: Object.fromEntries(keys.map((key) => [key, isValued(key) ? 1 : 0])),
    configuration: AS_TYPED,
  })
  for (const [pattern, problem] of COMPLAINTS) {
    const [, key] = pattern.exec(error?.message ?? '') ?? []
    if (key !== undefined) throw badFlagValue({ flag: `--${key}`, problem })
  }
  if (error !== null) throw error
  const valued = keys.filter(isValued).map((key) => [nameOf(key), valuesOf(key, argv[key])] as const)
  const given = Object.fromEntries(valued)
  const single = Object.entries(given).flatMap(([name, [value]]) =>
    value === undefined || name === 'nic' ? [] : [[name, value] as const],
  )
  return {
    ...Object.fromEntries(single),
    nic: given.nic ?? [],
    dryRun: 'dry-run' in argv || 'rt-dry-run' in argv,
    help: 'help' in argv,
  }
}

/** An option's words with two dashes. @throws {UserError} exit 64 when it is none of ours */
function knownWords(item: Item, known: readonly string[]): string[] {
  const { text } = item.word
  const word = text === '-h' ? '--help' : text.replace(/^--?(?=rt-|dry-run)/, '--')
  const flag = /^--[^=]+/.exec(word)?.[0] ?? word
  if (!known.includes(flag)) throw unknownFlag({ flag, known })
  return item.kind === 'option' && item.argument !== null ? [word, item.argument.text] : [word]
}

/** @throws {UserError} exit 64 for an empty value, and for two where one is meant */
function valuesOf(key: string, value: unknown): readonly string[] {
  const values: readonly string[] = value === undefined ? [] : [value].flat().map(String)
  const flag = `--${key}`
  if (values.includes('')) throw badFlagValue({ flag, problem: 'a value is missing' })
  if (values.length > 1 && nameOf(key) !== 'nic')
    throw badFlagValue({ flag, problem: 'given more than once' })
  return values
}

function nameOf(key: string): string {
  return key.replace(/^rt-/, '')
}

function isValued(key: string): boolean {
  return VALUED.some((valued) => valued === nameOf(key))
}
