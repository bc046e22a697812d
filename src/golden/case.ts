import { existsSync, lstatSync, readdirSync, readFileSync, type Stats, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { decodeBytes, encodeBytes } from '../argv/bytes.js'
import { parseCommandText } from '../argv/command-text.js'
import { splitWords } from '../argv/shell.js'
import { EMPTY_POLICY } from '../config/load.js'
import { parsePolicy } from '../config/parse.js'
import { configNotText } from '../errors/config.js'
import {
  goldenInputMissing,
  goldenInputUnreadable,
  goldenNameNotText,
  goldenNotReadable,
  goldenOptionsUnreadable,
} from '../errors/golden.js'
import { UserError } from '../errors/user-error.js'
import { errorCode } from '../host/sysfs.js'
import { plannerFor } from '../launch/prepare.js'
import { readRequestFiles } from '../launch/read-configs.js'
import { readRequest } from '../plan/request.js'
import { readLeases } from '../record/leases/read.js'
import { formatPlan } from '../report/format.js'

/** Files that a case may have; what stands in them is described in docs/golden.md. */
const INPUT = 'input.args'
const CONFIG = 'qemu-rt.toml'
const OPTIONS = 'options'
const HOST = 'host'

/** What a case gives, by the name of the file that expects it. */
export type Outcome = Readonly<Partial<Record<ExpectedFile, string>>>

export const EXPECTED_FILES = ['expected.args', 'expected.json', 'expected.error'] as const
type ExpectedFile = (typeof EXPECTED_FILES)[number]

/**
 * Finds the cases below directories: a directory is a case when it has an `input.args`, else its subdirectories are
 * looked at. A link is followed to a case alone: what a captured host's links lead to goes round in circles.
 * @throws {UserError} exit 65 when a directory has no case, or has a name in it with which a case could not be run
 */
export function findCases(directories: readonly string[]): string[] {
  return directories.flatMap((directory) => {
    const cases = casesBelow(directory)
    if (cases.length === 0) {
      throw goldenInputMissing({ directory, isThere: leadsTo(directory) !== null, input: INPUT })
    }
    return cases
  })
}

function casesBelow(directory: string): string[] {
  if (isCase(directory)) return [directory]
  if (!leadsTo(directory)?.isDirectory()) return []
  const names = readdirSync(directory, 'buffer').map((name) => decodeBytes(name))
  return names.sort().flatMap((name) => casesAt(join(directory, name)))
}

function casesAt(path: string): string[] {
  if (!leadsTo(path)?.isDirectory()) return []
  // Its files would be looked for under another name, and not found.
  if (!path.isWellFormed()) throw goldenNameNotText({ directory: path })
  if (!lstatSync(path).isSymbolicLink()) return casesBelow(path)
  return isCase(path) ? [path] : []
}

function isCase(directory: string): boolean {
  return leadsTo(join(directory, INPUT)) !== null
}

/** What is at a path; null when nothing is, also where a link leads nowhere. What may not be looked at is an error. */
function leadsTo(path: string): Stats | null {
  try {
    return statSync(encodeBytes(path))
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(errorCode(error) ?? '')) return null
    throw error
  }
}

/**
 * Plans a case's command line with its own configuration and host.
 * @returns the plan as `args` and JSON, or the error that a user would see with its exit code
 */
export function runCase(directory: string): Outcome {
  // What cannot be read is no plan's error, to be expected from then on.
  const files = readCase(directory)
  try {
    const { env, plan } = planCase(directory, files)
    return { 'expected.args': formatPlan(plan, 'args', env), 'expected.json': formatPlan(plan, 'json') }
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    return { 'expected.error': `qemu-rt: ${error.message}\nexit code ${error.exitCode}\n` }
  }
}

/** The texts of a case; null for a file that it does not have. */
function readCase(directory: string) {
  const text = (name: string) => readIfThere(join(directory, name))
  return { input: text(INPUT), options: text(OPTIONS), config: text(CONFIG), host: text(HOST) }
}

function planCase(directory: string, { input, options, config, host }: ReturnType<typeof readCase>) {
  // A command in libvirt's golden format: `NAME=value` words, the emulator, its arguments.
  const command = parseCommandText(input ?? '')
  if (command === null) throw goldenInputUnreadable({ file: join(directory, INPUT) })
  const { env, emulator, args } = command
  const optionWords = splitWords(options ?? '')
  if (optionWords === null) throw goldenOptionsUnreadable({ file: join(directory, OPTIONS) })
  const request = readRequest({
    entry: 'qemu-rt',
    args: ['run', ...optionWords, '--', ...args],
    env: Object.fromEntries(env.map((assignment) => assignment.split(/=(.*)/s, 2))),
    // The emulator's name in the input says the architecture; the host's own must not matter.
    hostArch: 'x64',
  })
  if (config?.isWellFormed() === false) throw configNotText({ file: CONFIG })
  const policy = config === null ? EMPTY_POLICY : parsePolicy(config, CONFIG)
  const sysroot = host === null ? request.sysroot : resolve(directory, host.trim())
  const plan = plannerFor(
    {
      ...readRequestFiles(request, directory),
      sysroot,
      defaultEmulator: emulator.replace('qemu-rt-', 'qemu-'),
    },
    policy,
  )(host === null ? [] : readLeases(sysroot, 'assume').held)
  return { env, plan }
}

/**
 * Reads a file; null when it is not there. Bytes that are not UTF-8 are kept as an argument's are. A line may end in CRLF, as
 * a checkout or an editor may have it: the carriage return is never part of an argument.
 * @throws {UserError} exit 65 for what is no file, 77 when this user may not read it
 */
export function readIfThere(file: string): string | null {
  if (!existsSync(file)) return null
  try {
    return decodeBytes(readFileSync(file)).replaceAll('\r\n', '\n')
  } catch (error) {
    const reason = errorCode(error)
    if (reason === null) throw error
    throw goldenNotReadable({ file, reason })
  }
}

/** A case's name for messages. */
export function caseName(directory: string): string {
  return basename(resolve(directory))
}
