import { isSameProcess } from '../host/process.js'
import type { ThreadPlan } from '../plan/threads/thread-plan.js'
import { parseVm, TUNE_VARIABLE, type VmRecord } from '../record/vm.js'
import { explainAll, readCircumstances } from './explain.js'
import { logLine } from './log.js'
import { describeMissing } from './missing.js'
import { summarize } from './summary.js'
import { type Outcome, tuneLaunch } from './tuner.js'

/** How long QEMU gets to end by itself before it is killed. */
const STOP_MS = 10_000

/**
 * The tuner: sets the threads of the QEMU that a launcher becomes, and ends with one line in its log.
 * @param args PID of the launcher; the plan is in the environment
 */
export async function runTuner([launcher]: readonly string[]): Promise<void> {
  const plan = parseVm(process.env[TUNE_VARIABLE] ?? '')
  if (plan?.threads == null || launcher === undefined) return
  goFirst()
  const outcome = await tuneLaunch(plan, plan.threads, Number(launcher))
  await report(plan, plan.threads, outcome)
}

/** Until it is placed a vCPU runs on the tuner's CPUs: it must not keep the tuner waiting. Only root may ask for this. */
function goFirst(): void {
  try {
    // Loading it together with this module would take half a millisecond of every launch.
    const { constants, setPriority } = process.getBuiltinModule('node:os')
    setPriority(constants.priority.PRIORITY_HIGHEST)
  } catch {
    // Then it takes its turn.
  }
}

async function report(plan: VmRecord, threads: ThreadPlan, outcome: Outcome): Promise<void> {
  const guest = plan.guest.name === null ? '' : `guest '${plan.guest.name}': `
  if (outcome.kind === 'ended') {
    return logLine(null, `${guest}QEMU ended before its threads had been set for long enough`)
  }
  const { pid } = outcome
  const { missing } = outcome
  const absent = describeMissing(missing, { plan: threads, vcpusAtStart: plan.vcpusAtStart })
  const causes = explainAll(outcome.refusals, ({ deviation }) =>
    readCircumstances(pid, deviation.thread.tid, plan.profile),
  )
  const problems = [...causes, ...absent].join('; also ')
  if (outcome.kind === 'held') {
    // What was waited for in vain says nothing of when the others were set.
    const set = `${summarize(outcome.threads, threads)}${missing.length > 0 ? '' : `; set after ${outcome.tunedMs} ms`}`
    if (problems === '') return logLine(pid, `${guest}${set}`)
    return logLine(pid, `warning: ${guest}${set}; ${problems}; the VM runs on without`)
  }
  const end = plan.strict ? '; the VM is stopped (strict)' : '; the VM runs on without'
  await logLine(pid, `${plan.strict ? 'error' : 'warning'}: ${guest}${problems}${end}`)
  if (plan.strict) await stop(outcome)
}

/** Stops QEMU as libvirt does: it may write out what its disks have, but not for ever. */
async function stop(qemu: { readonly pid: number; readonly startTicks: number }): Promise<void> {
  const signal = (name: 'SIGTERM' | 'SIGKILL') => {
    try {
      // Another process may have its number by now.
      return isSameProcess(qemu) && process.kill(qemu.pid, name)
    } catch {
      return false
    }
  }
  const deadline = Date.now() + STOP_MS
  signal('SIGTERM')
  while (Date.now() < deadline) {
    if (!isSameProcess(qemu)) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  signal('SIGKILL')
}
