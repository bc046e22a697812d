import { setMachineCpus } from '../../change/cpusets.js'
import { readAttribute } from '../../host/sysfs.js'
import type { VmRecord } from '../../record/vm.js'
import { explainAll, readCircumstances } from '../../tune/explain.js'
import { readQemuThreads } from '../../tune/processes.js'
import { summarize } from '../../tune/summary.js'
import { tune } from '../../tune/tune.js'
import { wantedByPlan } from '../../tune/wanted.js'
import { parseCpuSet } from '../../units/cpu-set.js'
import { groupWishes } from '../group-wishes.js'
import { logForDomain } from './log.js'

/** Says in the domain's log why threads could not be set, of a VM that runs on. */
export async function warnOf(domain: string, causes: readonly string[]): Promise<void> {
  if (causes.length === 0) return
  await logForDomain(domain, `warning: guest '${domain}': ${causes.join('; also ')}; the VM runs on without`)
}

/**
 * Sets the threads of a QEMU as root's record says, and says so in the domain's log.
 * @returns why threads could not be set
 * @throws {UserError} exit 69 when a vCPU would starve QEMU, or QEMU has ended
 */
export async function setThreads(domain: string, { process, threads }: VmRecord): Promise<string[]> {
  if (process === null || threads === null) return []
  const { pid } = process
  for (const problem of setMachineCpus(pid, groupWishes(threads))) {
    await logForDomain(domain, `warning: guest '${domain}': ${problem}`)
  }
  const { refusals } = await tune(pid, (all) => wantedByPlan(all, threads))
  const guest = `guest '${domain}': `
  if (refusals.length === 0) {
    await logForDomain(domain, `${guest}${summarize(readQemuThreads(pid) ?? [], threads)}; set by the hook`)
    return []
  }
  const online = parseCpuSet(readAttribute('/sys/devices/system/cpu/online') ?? '') ?? []
  const causes = explainAll(refusals, ({ deviation }) => readCircumstances(pid, deviation.thread.tid, online))
  return causes
}
