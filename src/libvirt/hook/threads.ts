import { hookTuneRefused } from '../../errors/libvirt.js'
import { readAttribute } from '../../host/sysfs.js'
import { explainAll, readCircumstances } from '../../tune/explain.js'
import { logLine } from '../../tune/log.js'
import { findManaged, readQemuThreads } from '../../tune/processes.js'
import { summarize } from '../../tune/summary.js'
import { tune } from '../../tune/tune.js'
import { wantedByPlan } from '../../tune/wanted.js'
import { parseCpuSet } from '../../units/cpu-set.js'
import type { Domain } from '../domain.js'

/**
 * Sets the threads of a domain that runs as the plan in its QEMU's environment says, and says so in the domain's log.
 * libvirt has done its own settings by then. A domain without such a plan is left alone.
 * @throws {UserError} exit 77 when a thread cannot be set and the profile is strict, or a vCPU would starve QEMU
 */
export async function setThreads({ name, uuid }: Domain): Promise<void> {
  const qemu = findManaged().find(({ plan }) => uuid !== null && plan.guest.uuid?.toLowerCase() === uuid)
  const threads = qemu?.plan.threads ?? null
  if (qemu === undefined || threads === null) return
  const { pid, plan } = qemu
  const { refusals } = await tune(pid, (all) => wantedByPlan(all, threads))
  const guest = `guest '${name}': `
  if (refusals.length === 0) {
    return logLine(pid, `${guest}${summarize(readQemuThreads(pid) ?? [], threads)}; set by the hook`)
  }
  const online = parseCpuSet(readAttribute('/sys/devices/system/cpu/online') ?? '') ?? []
  const causes = explainAll(refusals, ({ deviation }) => readCircumstances(pid, deviation.thread.tid, online))
  if (plan.strict) throw hookTuneRefused({ guest: name, causes })
  await logLine(pid, `warning: ${guest}${causes.join('; also ')}; the VM runs on without`)
}
