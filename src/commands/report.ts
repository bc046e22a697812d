import { preparePlan } from '../launch/prepare.js'
import { readRequest } from '../plan/request.js'
import { formatPlan } from '../report/format.js'
import { writeAll } from '../report/output.js'

/**
 * Prints the plan of a dry run: nothing is started, no lease is taken.
 * @param args the launcher's basename, then its "$@"
 * @throws {UserError} when the plan cannot be made
 */
export async function reportDryRun([entry = '', ...args]: readonly string[]): Promise<void> {
  const request = readRequest({ entry, args, env: process.env, hostArch: process.arch })
  writeAll(1, formatPlan(await preparePlan(request), request.format))
}
