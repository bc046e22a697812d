import { isatty } from 'node:tty'
import { HOOK_PATH } from '../checks/install.js'
import { badExpiry, noExpiry, placeOfThisHost } from '../errors/export.js'
import { EXPORT_FORMATS, type ExportFormat, type ExportFormatName, exportAs } from '../export/formats.js'
import { offersOf } from '../export/offers.js'
import { isExecutable } from '../host/executable.js'
import { readPreemptRt } from '../host/preempt-rt.js'
import { openSysroot } from '../host/sysroot.js'
import { report, writeAll } from '../report/output.js'
import { intersectCpuSets } from '../units/cpu-set.js'
import { type HostOptions, readHost } from './nics/host.js'
import { writeOutput } from './write-output.js'

export interface ExportOptions extends HostOptions {
  /** A file; true for the place where the other system looks; absent for stdout. */
  readonly output?: string | true
  /** How long it is true, in seconds. */
  readonly expires?: string
}

/**
 * Prints or writes what this host has, in the form in which another system reads it. What it does not have is said on stderr;
 * in a log only when the file has changed.
 * @throws {UserError} exit 64 for options that do not fit the format or each other, 69 or 77 when the file cannot be written, 78 when names
 *   cannot be told apart in that format
 */
export async function exportCommand(name: ExportFormatName, options: ExportOptions): Promise<void> {
  const format: ExportFormat = EXPORT_FORMATS[name]
  const expires = expiry(options.expires, name)
  const root = openSysroot(options.sysroot)
  if (options.output === true && root !== '') throw placeOfThisHost({ place: format.place })
  const output = options.output === true ? format.place : (options.output ?? null)
  const { policy, host, useOf, warn } = await readHost(options)
  warn()
  const { offers, notes } = offersOf(policy, host, useOf)
  const { realtime } = policy.host
  const about = {
    realtimeCpus: realtime && intersectCpuSets(realtime, host.cpus?.online ?? realtime),
    preemptRt: readPreemptRt(root),
    isHooked: isExecutable(`${root}${HOOK_PATH}`),
  }
  const made = exportAs(name, { offers, host: about, expires })
  const isNews =
    output === null || writeOutput(output, made.text, { makesDirectory: options.output === true })
  // A timer runs it every five minutes: its journal has the notes once for each change.
  if (isNews || isatty(2)) for (const note of [...notes, ...made.notes]) report(note)
  if (output === null) writeAll(1, made.text)
}

function expiry(expires: string | undefined, format: ExportFormatName): Date | null {
  if (expires === undefined) return null
  if (!EXPORT_FORMATS[format].expires) throw noExpiry({ format })
  const seconds = /^\d{1,7}$/.test(expires) ? Number(expires) : 0
  if (seconds < 60 || seconds > 2_592_000) throw badExpiry({ expires })
  return new Date(Date.now() + seconds * 1000)
}
