import { hookTuneRefused } from '../../errors/libvirt.js'
import { readAttribute } from '../../host/sysfs.js'
import { explainAll, readCircumstances } from '../../tune/explain.js'
import { logLine } from '../../tune/log.js'
import { readPlan, readQemuThreads } from '../../tune/processes.js'
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
export async function setThreads({ name }: Domain): Promise<void> {
  const pid = qemuOf(name)
  const plan = pid === null ? null : readPlan(pid)
  const threads = plan?.threads ?? null
  if (pid === null || plan === null || threads === null) return
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

/**
 * The QEMU that libvirt has started for a domain, by the file in which libvirt keeps its PID
 * (src/qemu/qemu_process.c, qemuProcessLaunch). Not by the UUID in a plan: any user may write such a plan, and this is root.
 */
function qemuOf(domain: string): number | null {
  const text = readAttribute(`/run/libvirt/qemu/${domain}.pid`)
  return text !== null && /^\d+$/.test(text) ? Number(text) : null
}
