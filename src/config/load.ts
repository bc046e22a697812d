import { isUtf8 } from 'node:buffer'
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, type Stats, statSync } from 'node:fs'
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
    throw readError(path, code, emulatorMode)
  }
  // The schema takes a tenth of a launch, which one without a configuration is spared.
  const { parsePolicy } = await import('./parse.js')
  return parsePolicy(text, path)
}

/** More than any host needs; a file without end must not fill the memory. */
const MAX_BYTES = 1 << 20

/**
 * Checks and reads one open file, so that it cannot be exchanged between the two. Opening alone does something to a
 * device (it starts a watchdog, it waits for a pipe's other end), so the path is looked at before.
 */
function readConfig(path: string, emulatorMode: boolean): string {
  checkRegular(path, statSync(path))
  const { O_RDONLY, O_NONBLOCK, O_NOCTTY } = constants
  const file = openSync(path, O_RDONLY | O_NONBLOCK | O_NOCTTY)
  try {
    const stats = fstatSync(file)
    checkRegular(path, stats)
    if (emulatorMode) checkOnlyRootWrites(path, stats)
    const bytes = readLimited(path, file, stats.size)
    if (!isUtf8(bytes)) throw configNotText({ file: path })
    return bytes.toString('utf8')
  } finally {
    closeSync(file)
  }
}

function checkRegular(file: string, stats: Stats): void {
  if (stats.isFile()) return
  const reason = stats.isDirectory() ? 'it is a directory' : 'it is not a regular file'
  throw configUnusable({ file, reason })
}

/** The size says nothing for a file that grows, or one of /proc. */
function readLimited(file: string, descriptor: number, size: number): Buffer {
  const bytes = Buffer.allocUnsafe(Math.min(size, MAX_BYTES) + 1)
  let length = 0
  for (;;) {
    const read = readSync(descriptor, bytes, length, bytes.length - length, null)
    if (read === 0) return bytes.subarray(0, length)
    length += read
    if (length === bytes.length) throw configUnusable({ file, reason: tooLong(size) })
  }
}

function tooLong(size: number): string {
  return size < MAX_BYTES ? 'it grows while it is read' : 'it is longer than 1 MiB'
}

function readError(file: string, code: string, emulatorMode: boolean): UserError {
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return configMissing({ file, options: emulatorMode ? '--config, --rt-config' : '--config' })
  if (code === 'EACCES' || code === 'EPERM')
    return configNotReadable({ file, user: process.getuid?.() ?? null, isRegular: isRegular(file) })
  return configUnusable({ file, reason: code })
}

/** False also where a directory on the way hides it. */
function isRegular(file: string): boolean {
  try {
    return statSync(file).isFile()
  } catch {
    return false
  }
}

/** A link that leads nowhere is a mistake, unlike a file that was never made. */
function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

/** The system call's error, such as `ENOENT`; null for an error of another kind, such as `ERR_INVALID_ARG_TYPE`. */
function errorCode(error: unknown): string | null {
  const code = error instanceof Error && 'code' in error ? error.code : null
  return typeof code === 'string' && /^E[A-Z\d]+$/.test(code) ? code : null
}
