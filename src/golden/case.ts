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
    if (cases.length === 0) throw goldenInputMissing({ directory, input: INPUT })
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
  try {
    const { env, plan } = planCase(directory)
    return { 'expected.args': formatPlan(plan, 'args', env), 'expected.json': formatPlan(plan, 'json') }
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    return { 'expected.error': `qemu-rt: ${error.message}\nexit code ${error.exitCode}\n` }
  }
}

function planCase(directory: string) {
  const { env, emulator, args } = readCommand(join(directory, INPUT))
  const optionWords = readOptions(join(directory, OPTIONS))
  const request = readRequest({
    entry: 'qemu-rt',
    args: ['run', ...optionWords, '--', ...args],
    env: Object.fromEntries(env.map((assignment) => assignment.split(/=(.*)/s, 2))),
    // The emulator's name in the input says the architecture; the host's own must not matter.
    hostArch: 'x64',
  })
  const host = readIfThere(join(directory, HOST))?.trim()
  const config = readIfThere(join(directory, CONFIG))
  if (config?.isWellFormed() === false) throw configNotText({ file: CONFIG })
  const policy = config === null ? EMPTY_POLICY : parsePolicy(config, CONFIG)
  const sysroot = host === undefined ? request.sysroot : resolve(directory, host)
  const plan = plannerFor(
    {
      ...readRequestFiles(request, directory),
      sysroot,
      defaultEmulator: emulator.replace('qemu-rt-', 'qemu-'),
    },
    policy,
  )(host === undefined ? [] : readLeases(sysroot, 'assume').held)
  return { env, plan }
}

/** Reads a command in libvirt's golden format: `NAME=value` words, the emulator, its arguments. */
function readCommand(file: string) {
  const command = parseCommandText(readIfThere(file) ?? '')
  if (command === null) throw goldenInputUnreadable({ file })
  return command
}

function readOptions(file: string): readonly string[] {
  const words = splitWords(readIfThere(file) ?? '')
  if (words === null) throw goldenOptionsUnreadable({ file })
  return words
}

/**
 * Reads a file; null when it is not there. Bytes that are not UTF-8 are kept as an argument's are. A line may end in CRLF, as
 * a checkout or an editor may have it: the carriage return is never part of an argument.
 */
export function readIfThere(file: string): string | null {
  return existsSync(file) ? decodeBytes(readFileSync(file)).replaceAll('\r\n', '\n') : null
}

/** A case's name for messages. */
export function caseName(directory: string): string {
  return basename(resolve(directory))
}
