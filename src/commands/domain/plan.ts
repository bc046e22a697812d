import { readFileSync } from 'node:fs'
import { domainNotReadable } from '../../errors/libvirt.js'
import { errorCode } from '../../host/sysfs.js'
import {
  checkPlannedDevices,
  checkThreads,
  type DomainOptions,
  planDomain,
} from '../../libvirt/plan-domain.js'
import type { Format } from '../../plan/request.js'
import { formatPlan } from '../../report/format.js'
import { report, writeAll } from '../../report/output.js'

/**
 * Prints what the wrapper does for a domain's XML, and on stderr how that was found out.
 * @param file `-` is stdin
 * @throws {UserError} exit 65 when it is no domain's XML, and what the planner throws
 */
export async function domainPlan(
  file: string,
  options: DomainOptions & { readonly format: Format },
): Promise<void> {
  const planned = await planDomain(readXml(file), file === '-' ? 'stdin' : file, options)
  const devices = checkPlannedDevices(planned, options.sysroot)
  checkThreads(planned)
  for (const note of [...planned.notes, ...devices]) report(note)
  writeAll(1, formatPlan(planned.plan, options.format))
}

/** Reads a domain's file. @throws {UserError} exit 65 when it cannot be read, 77 when this user may not */
export function readXml(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (error) {
    throw domainNotReadable({ file, reason: errorCode(error) ?? String(error) })
  }
}
