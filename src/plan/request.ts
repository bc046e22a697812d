import { type CommandLine, checkArguments, findOptions, mergedValue, wordsOf } from '../argv/command-line.js'
import { findConfig } from '../config/find.js'
import { emulatorOfEntry, hostsEmulator } from '../emulator/names.js'
import { badFlagValue, noSeparator, unknownFormat } from '../errors/command-line.js'
import { extractFlags, type Flags, parseRunFlags } from './flags.js'

export const FORMATS = ['text', 'args', 'json', 'diff'] as const
export type Format = (typeof FORMATS)[number]

/** How the wrapper was called: by libvirt as the emulator, or by a person as `qemu-rt run`. */
type EntryKind = 'run' | 'emulator'

/** What this VM asks for, from flags, environment and command line. */
export interface Request {
  readonly entry: EntryKind
  readonly config: { readonly path: string; readonly explicit: boolean }
  readonly profile: string | null
  /** As written: `NAME[,key=value…]`. */
  readonly nics: readonly string[]
  readonly emulator: string | null
  /** Where the emulator is when nobody says: `/usr/bin/qemu-system-x86_64`. */
  readonly defaultEmulator: string
  readonly sysroot: string
  readonly dryRun: boolean
  readonly format: Format
  /** How long to wait for devices and CPUs that other VMs hold, in milliseconds. */
  readonly waitMs: number
  readonly help: boolean
  readonly guest: { readonly name: string | null; readonly uuid: string | null }
  /** QEMU's command line without the wrapper's own options. */
  readonly line: CommandLine
  /** What of it could not be looked at, a line each. */
  readonly unseen: readonly string[]
}

const HELP = ['--help', '-h']

/** What the launcher was called with. */
export interface Invocation {
  /** Basename of the launcher: `qemu-rt`, `qemu-rt-system-x86_64`, … */
  readonly entry: string
  /** The launcher's "$@"; for `qemu-rt run` the first is `run`. */
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  /** Node's name of the host architecture (`process.arch`). */
  readonly hostArch: string
}

/**
 * Reads the request. A flag beats `QEMU_RT_…` in the environment, which beats the configuration.
 * @throws {UserError} exit 64 for wrong usage, 65 for a command line that cannot be read
 */
export function readRequest({ entry, args, env, hostArch }: Invocation): Request {
  const isRun = entry === 'qemu-rt'
  const words = wordsOf(args)
  const separator = isRun ? words.findIndex(({ text }) => text === '--') : -1
  if (isRun && separator < 0 && !args.some((word) => HELP.includes(word))) throw noSeparator()
  const runFlags = isRun ? parseRunFlags(args.slice(1, separator < 0 ? undefined : separator)) : null
  const { flags, line } = extractFlags(words.slice(isRun && separator < 0 ? words.length : separator + 1))
  checkArguments(line)
  const pick = (name: 'profile' | 'emulator' | 'sysroot' | 'format' | 'wait') =>
    flags[name] ?? runFlags?.[name] ?? (env[`QEMU_RT_${name.toUpperCase()}`] || null)
  return {
    entry: isRun ? 'run' : 'emulator',
    config: findConfig(flags.config ?? runFlags?.config, env),
    profile: pick('profile'),
    nics: requestedNics(env.QEMU_RT_NIC, runFlags, flags),
    emulator: absoluteEmulator(pick('emulator')),
    defaultEmulator: isRun ? hostsEmulator(hostArch) : emulatorOfEntry(entry),
    sysroot: pick('sysroot') ?? '/',
    dryRun: flags.dryRun || runFlags?.dryRun === true || isOn(env.QEMU_RT_DRY_RUN),
    format: format(pick('format') ?? 'text'),
    waitMs: waitMs(pick('wait') ?? '0'),
    help: runFlags?.help === true,
    guest: guestOf(line),
    line,
    unseen: [],
  }
}

/** NICs are repeatable, so flags replace what the environment asks for as a whole. */
function requestedNics(fromEnv: string | undefined, runFlags: Flags | null, flags: Flags): readonly string[] {
  const given = [...(runFlags?.nic ?? []), ...flags.nic]
  if (given.length > 0) return given
  const names = fromEnv?.split(/\s+/).filter((name) => name !== '') ?? []
  return parseRunFlags(names.flatMap((name) => ['--nic', name])).nic
}

function absoluteEmulator(path: string | null): string | null {
  if (path !== null && !path.startsWith('/')) {
    throw badFlagValue({ flag: '--emulator', problem: `'${path}' is not an absolute path` })
  }
  return path
}

function waitMs(seconds: string): number {
  if (/^\d{1,6}(\.\d+)?$/.test(seconds)) return Number(seconds) * 1000
  throw badFlagValue({ flag: '--wait', problem: `'${seconds}' is not a number of seconds` })
}

function format(name: string): Format {
  const known = FORMATS.find((candidate) => candidate === name)
  if (known === undefined) throw unknownFormat({ format: name, known: FORMATS })
  return known
}

function isOn(value: string | undefined): boolean {
  return value !== undefined && !['', '0', 'no', 'off', 'false'].includes(value)
}

/** The guest's name and UUID, as QEMU would have them. */
export function guestOf(line: CommandLine): Request['guest'] {
  const uuid = findOptions(line, 'uuid').at(-1)?.option.argument?.text
  return { name: mergedValue(line, 'name', 'guest') ?? null, uuid: uuid ?? null }
}
