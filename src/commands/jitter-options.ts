import type { Policy } from '../config/policy.js'
import { emulatorOfArch } from '../emulator/names.js'
import { badInterval, badLimit, badSeconds } from '../errors/jitter.js'
import { INTERVAL_MICROSECONDS } from '../jitter/mode.js'
import { parseDuration } from '../units/duration.js'

/** The guests are of one architecture, whatever the host is. */
const GUEST_ARCH = 'x86_64'

/** As cyclictest has it. */
const DEFAULT_INTERVAL = '1ms'

/** Who starts the guests, and which QEMU runs them. */
export function programsFor(emulator: string | undefined, { emulators }: Pick<Policy, 'emulators'>) {
  return {
    launcher: process.env.QEMU_RT_LAUNCHER ?? 'qemu-rt',
    emulator: emulator ?? (process.env.QEMU_RT_EMULATOR || emulatorOfArch(GUEST_ARCH, emulators)),
  }
}

/**
 * Reads `--seconds`.
 * @throws {UserError} exit 64
 */
export function readSeconds(seconds: string): number {
  // Number alone takes '0x5', '1e3' and blanks, too.
  const number = /^\d+(\.\d+)?$/.test(seconds) ? Number(seconds) : 0
  if (!(number >= 2 && number <= 604_800)) throw badSeconds({ seconds })
  return number
}

/**
 * Reads `--interval`.
 * @returns microseconds
 * @throws {UserError} exit 64
 */
export function readInterval(interval = DEFAULT_INTERVAL): number {
  const microseconds = parseDuration(interval)
  const { least, most } = INTERVAL_MICROSECONDS
  if (microseconds === null || microseconds < least || microseconds > most) throw badInterval({ interval })
  return microseconds
}

/**
 * Reads `--fail-over`.
 * @returns microseconds; null for no limit
 * @throws {UserError} exit 64 for what is no length of time, or beyond what can be measured
 */
export function readLimit(limit: string | undefined): number | null {
  if (limit === undefined) return null
  const microseconds = parseDuration(limit)
  if (microseconds === null || microseconds < 1 || microseconds > 1e9) throw badLimit({ limit })
  return microseconds
}
