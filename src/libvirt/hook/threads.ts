import type { VmRecord } from '../../record/vm.js'
import { explainAll, readCircumstances } from '../../tune/explain.js'
import { describeMissing } from '../../tune/missing.js'
import { readQemuThreads } from '../../tune/processes.js'
import { isPromised } from '../../tune/roles.js'
import { summarize } from '../../tune/summary.js'
import { settingsOfPlan, tune } from '../../tune/tune.js'
import { giveCpus } from '../give-cpus.js'
import { logForDomain } from './log.js'

/** Says in the domain's log why threads could not be set, of a VM that runs on. */
export async function warnOf(domain: string, { promised, others }: Unset): Promise<void> {
  const causes = [...promised, ...others]
  if (causes.length === 0) return
  await logForDomain(domain, `warning: guest '${domain}': ${causes.join('; also ')}; the VM runs on without`)
}

/** Why threads of a domain could not be set. */
export interface Unset {
  /** What `strict` promises. */
  readonly promised: readonly string[]
  /** All else, which ends no VM. */
  readonly others: readonly string[]
}

/**
 * Sets the threads of a QEMU as root's record says, and says so in the domain's log.
 * @throws {UserError} exit 69 when a vCPU would starve QEMU, or QEMU has ended
 */
export async function setThreads(
  domain: string,
  { process, threads, vcpusAtStart }: VmRecord,
): Promise<Unset> {
  if (process === null || threads === null) return { promised: [], others: [] }
  const { pid } = process
  for (const problem of giveCpus(pid, threads)) {
    await logForDomain(domain, `warning: guest '${domain}': ${problem}`)
  }
  const { refusals, missing } = await tune(process, settingsOfPlan(threads, vcpusAtStart))
  const guest = `guest '${domain}': `
  if (refusals.length === 0 && missing.length === 0) {
    await logForDomain(domain, `${guest}${summarize(readQemuThreads(pid) ?? [], threads)}; set by the hook`)
    return { promised: [], others: [] }
  }
  const explain = (some: typeof refusals) =>
    explainAll(some, ({ deviation }) => readCircumstances(pid, deviation.thread.tid))
  const isPromise = ({ deviation, reason }: (typeof refusals)[number]) => isPromised(deviation.role, reason)
  return {
    promised: explain(refusals.filter(isPromise)),
    others: [
      ...explain(refusals.filter((one) => !isPromise(one))),
      ...describeMissing(missing, { plan: threads, vcpusAtStart }),
    ],
  }
}
