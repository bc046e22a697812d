import { readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseCommandLine, renderWords, wordsOf } from '../../src/argv/command-line.js'
import { parseCommandText } from '../../src/argv/command-text.js'
import type { ReadConfig } from '../../src/argv/files.js'
import { findOption } from '../../src/argv/options.js'
import { splitWords } from '../../src/argv/shell.js'
import { EMPTY_POLICY } from '../../src/config/load.js'
import { parsePolicy } from '../../src/config/parse.js'
import type { Policy } from '../../src/config/policy.js'
import { findingText } from '../../src/errors/finding.js'
import { UserError } from '../../src/errors/user-error.js'
import { EMPTY_HOST, type HostFacts } from '../../src/host/facts.js'
import { readHostFacts } from '../../src/host/read.js'
import { launchLine } from '../../src/launch/line.js'
import { askOf } from '../../src/plan/ask.js'
import { makePlan, type Plan } from '../../src/plan/plan.js'
import { FORMATS, readRequest } from '../../src/plan/request.js'
import { withRequestFiles } from '../../src/plan/request-files.js'
import { formatPlan } from '../../src/report/format.js'
import { ownLine } from '../../src/units/printable.js'
import { FIXTURES, readIfThere } from '../common/corpus.js'
import { mutateList } from '../common/mutate.js'
import { must, type Target } from '../common/target.js'

/** A golden case's circumstances. */
interface Case {
  readonly name: string
  readonly args: readonly string[]
  readonly options: readonly string[]
  readonly policy: Policy
  readonly host: HostFacts
  /** Its `-readconfig` files. */
  readonly files: readonly ReadConfig[]
}

const hosts = new Map<string, HostFacts>()

function hostIn(directory: string): HostFacts {
  const facts = hosts.get(directory) ?? readHostFacts(directory)
  hosts.set(directory, facts)
  return facts
}

function readCase(name: string): Case[] {
  const file = (one: string) => readIfThere(join(FIXTURES, 'cases', name, one))
  const command = parseCommandText(file('input.args') ?? '')
  const host = file('host')?.trim()
  if (command === null) return []
  try {
    return [
      {
        name,
        args: command.args,
        options: splitWords(file('options') ?? '') ?? [],
        policy: parsePolicy(file('qemu-rt.toml') ?? '', 'qemu-rt.toml'),
        host: host === undefined ? EMPTY_HOST : hostIn(resolve(FIXTURES, 'cases', name, host)),
        files: ['vm.cfg', 'qemu.conf', 'q35-bridges.cfg'].map((path) => ({ path, text: file(path) })),
      },
    ]
  } catch (error) {
    // Cases whose configuration is wrong have a target of their own.
    if (error instanceof UserError) return []
    throw error
  }
}

const CASES = readdirSync(join(FIXTURES, 'cases')).sort().flatMap(readCase)
const BY_NAME = new Map(CASES.map((one) => [one.name, one]))
const LINES = CASES.map(({ args }) => args)

const plan = (
  args: readonly string[],
  options: readonly string[],
  { policy, host, files }: Omit<Case, 'name' | 'args'>,
): Plan => {
  const words = readRequest({
    entry: 'qemu-rt',
    args: ['run', ...options, '--', ...args],
    env: {},
    hostArch: 'x64',
  })
  const request = withRequestFiles(words, files)
  const ask = askOf(request, policy, { asked: null, record: null })
  return makePlan(request, { policy, host, held: [], ask, record: null })
}

/**
 * Command lines: of the golden cases, mutated, planned with a case's configuration and host. Nothing is lost, what the
 * plan leaves alone is passed on by position, and a plan of its own output changes nothing.
 */
export const commandLines: Target = {
  name: 'command-lines',
  title: "QEMU's command lines, planned",
  make(random) {
    const { name } = random.pick(CASES)
    return [name, ...mutateList(random, random.pick(LINES), LINES)]
  },
  take([name = '', ...args]) {
    const circumstances = BY_NAME.get(name)
    if (circumstances === undefined) return
    checkParse(args)
    checkLeftAlone(args)
    const { options } = circumstances
    const made = plan(args, options, circumstances)
    checkPositions(made, ['run', ...options, '--', ...args])
    // One of them, since all would take most of the time.
    const text = formatPlan(made, FORMATS[args.length % FORMATS.length] ?? 'text')
    launch(made, options.length + args.length + 2)
    checkAgain(made, circumstances)
    return { lines: made.warnings.map((one) => ownLine(`warning: ${findingText(one)}`)), texts: [text] }
  },
}

function checkParse(args: readonly string[]): void {
  const words = wordsOf(args)
  const rendered = renderWords(parseCommandLine(words, findOption))
  must(
    rendered.length === words.length && rendered.every((word, at) => word === words[at]),
    'words are not rendered as they were parsed',
  )
}

/** Without a configuration all that the plan may do is name threads, and share memory. */
function checkLeftAlone(args: readonly string[]): void {
  const made = plan(args, [], { options: [], policy: EMPTY_POLICY, host: EMPTY_HOST, files: [] })
  if (made.changes.length > 0) return
  must(
    made.words.length === args.length &&
      made.words.every(({ text, position }, at) => text === args[at] && position === at + 3),
    'a command line that needs no change is changed',
  )
  must(launch(made, args.length + 2).includes('exec '), 'the line becomes nothing')
}

function launch(made: Plan, positionals: number): string {
  const { emulator, words } = made
  return launchLine({ chain: [], emulator, words, positionals, unset: [], set: {} })
}

function checkPositions({ words }: Plan, given: readonly string[]): void {
  for (const { text, position } of words) {
    must(position === null || given[position - 1] === text, 'a word by position is another word')
  }
}

/** `--nic` would add a NIC once more. */
function checkAgain(made: Plan, circumstances: Case): void {
  const { options } = circumstances
  if (options.includes('--nic')) return
  const once = made.words.map(({ text }) => text)
  let again: Plan
  try {
    again = plan(once, options, circumstances)
  } catch (error) {
    must(
      !(error instanceof UserError),
      `a plan of its own output fails: ${error instanceof Error ? error.message : ''}`,
    )
    throw error
  }
  const twice = again.words.map(({ text }) => text)
  must(
    again.changes.length === 0 &&
      twice.length === once.length &&
      twice.every((text, at) => text === once[at]),
    `a plan of its own output changes it: ${JSON.stringify(again.changes[0] ?? null)}`,
  )
}
