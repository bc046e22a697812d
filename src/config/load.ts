import { isUtf8 } from 'node:buffer'
import { closeSync, fstatSync, lstatSync, openSync, readFileSync } from 'node:fs'
import { configMissing, configNotReadable, configNotText, configUnusable } from '../errors/config.js'
import type { UserError } from '../errors/user-error.js'
import { checkOnlyRootWrites } from './ownership.js'
import { DEFAULT_CONFIG_PATH, type Policy } from './policy.js'

/** Without a prototype, as records of a file have none: no name is found that nobody wrote. */
const NOTHING: Readonly<Record<string, never>> = Object.create(null)

/** No configuration: the default file is not there. */
export const EMPTY_POLICY: Policy = {
  emulators: NOTHING,
  host: { housekeeping: null, realtime: null, switch: null },
  nics: NOTHING,
  profiles: NOTHING,
  domains: [],
  rules: [],
  place: () => DEFAULT_CONFIG_PATH,
}

/**
 * Reads the configuration.
 * @param facts.explicit whether the user named the file; one at the default place may be missing
 * @param facts.emulatorMode whether libvirt runs us: then nobody but root may be able to change the file, since
 *   libvirt's unprivileged QEMU user must not decide what the wrapper and the root hook do
 * @throws {UserError} exit 78 for a configuration that is missing, unsafe or wrong, 77 when this user may not read it
 */
export async function loadPolicy({
  path,
  explicit,
  emulatorMode,
}: {
  path: string
  explicit: boolean
  emulatorMode: boolean
}): Promise<Policy> {
  let text: string
  try {
    text = readConfig(path, emulatorMode)
  } catch (error) {
    const code = errorCode(error)
    if (code === null) throw error
    if (code === 'ENOENT' && !explicit && !isThere(path)) return EMPTY_POLICY
    throw readError(path, code)
  }
  // The schema takes a tenth of a launch, which one without a configuration is spared.
  const { parsePolicy } = await import('./parse.js')
  return parsePolicy(text, path)
}

/** Checks and reads one open file, so that it cannot be exchanged between the two. */
function readConfig(path: string, emulatorMode: boolean): string {
  const file = openSync(path, 'r')
  try {
    if (emulatorMode) checkOnlyRootWrites(path, fstatSync(file))
    const bytes = readFileSync(file)
    if (!isUtf8(bytes)) throw configNotText({ file: path })
    return bytes.toString('utf8')
  } finally {
    closeSync(file)
  }
}

function readError(file: string, code: string): UserError {
  if (code === 'ENOENT' || code === 'ENOTDIR') return configMissing({ file })
  if (code === 'EACCES' || code === 'EPERM')
    return configNotReadable({ file, user: process.getuid?.() ?? null })
  return configUnusable({ file, reason: code === 'EISDIR' ? 'it is a directory' : code })
}

/** A link that leads nowhere is a mistake, unlike a file that was never made. */
function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

/** The system call's error, such as `ENOENT`; null for an error of another kind. */
function errorCode(error: unknown): string | null {
  const isSystemError = error instanceof Error && 'syscall' in error && 'code' in error
  return isSystemError && typeof error.code === 'string' ? error.code : null
}
