import { preparePlan } from '../launch/prepare.js'
import { type Invocation, readRequest } from '../plan/request.js'
import { formatPlan } from '../report/format.js'
import { writeAll } from '../report/output.js'

/** Prints the plan of a dry run: nothing is started, no lease is taken. */
export function reportDryRun(invocation: Invocation): void {
  const request = readRequest(invocation)
  writeAll(1, formatPlan(preparePlan(request), request.format))
}
