import { apply, type Refusal } from '../change/threads.js'
import { isSameProcess, startOf } from '../host/process.js'
import type { ThreadPlan } from '../plan/threads/thread-plan.js'
import type { VmRecord } from '../record/vm.js'
import { type Deviation, deviations } from './deviations.js'
import { findQemu } from './follow.js'
import { type Expected, missingRoles } from './missing.js'
import { readQemuThreads } from './processes.js'
import { describeRole, isPromised, type Role, rolesOf } from './roles.js'
import { guestRuns, makeSettledCheck, PAUSED_MS } from './settle.js'
import { countThreads, type Thread } from './threads.js'

/** How it ended. */
export type Outcome =
  | {
      readonly kind: 'held'
      readonly pid: number
      readonly threads: readonly Thread[]
      readonly tunedMs: number
      /** What could not be set and was not promised. */
      readonly refusals: readonly Refusal[]
      /** Threads of the plan that were not found. */
      readonly missing: readonly Role[]
    }
  | {
      readonly kind: 'refused'
      readonly pid: number
      /** When that process started: another one may have its number by now. */
      readonly startTicks: number
      readonly refusals: readonly Refusal[]
      readonly missing: readonly Role[]
    }
  | { readonly kind: 'ended'; readonly pid: number | null }

/**
 * How long everything must have been as planned: while a guest's firmware reads disks, QEMU makes worker threads, which
 * start where the thread is that waits for them.
 */
const HOLD_MS = 3000

/** How long a refusal may last: libvirt moves threads between groups, and a group may not have its CPUs yet. */
const REFUSAL_MS = 5000

/**
 * How long after the last thread of the plan was found the others are waited for, once a vCPU is there: QEMU makes its
 * I/O threads before its vCPUs, and these one after the other.
 */
const OTHERS_MS = 10_000

/** How long a first vCPU is waited for: a switch that is started anew may keep QEMU waiting for a vhost-user socket. */
const FIRST_VCPU_MS = 3_600_000

/** How long before what was refused is tried again. */
const RETRY_MS = 100

/**
 * Follows a launch until its threads are as planned and have stayed so. Waits for an hour at most until the first vCPU is
 * there: a vhost-user server socket can hold QEMU up for minutes. Threads that are not found then are waited for no longer.
 * @param launcher PID that the launcher had
 */
export async function tuneLaunch(plan: VmRecord, threads: ThreadPlan, launcher: number): Promise<Outcome> {
  const started = Date.now()
  for (;;) {
    const pid = findQemu(launcher, plan)
    if (pid === 'ended') return { kind: 'ended', pid: null }
    if (pid !== 'not yet') {
      const startTicks = startOf(pid)
      // Between the two looks it may have ended, and another process may have its number; or it is about to run another
      // program, as a script does, and is looked at again.
      if (startTicks !== null && findQemu(launcher, plan) === pid)
        return tuneQemu(plan, threads, { pid, startTicks }, started)
    }
    await sleep(pause(Date.now() - started))
  }
}

/**
 * @param qemu the process that was found: as soon as its number is another's, nothing is set any more
 */
export async function tuneQemu(
  plan: VmRecord,
  threads: ThreadPlan,
  qemu: { readonly pid: number; readonly startTicks: number },
  started: number,
): Promise<Outcome> {
  const { pid } = qemu
  const threadsChange = makeThreadWatch(pid, started)
  let runsSince = plan.startsPaused ? null : started
  const isSettled = makeSettledCheck(pid, plan.startsPaused)
  let heldSince: number | null = null
  let refusedSince: number | null = null
  const missingSince = makeMissingWatch({ plan: threads, vcpusAtStart: plan.vcpusAtStart }, started)
  for (;;) {
    const all = readQemuThreads(pid, { kernels: threads.vhost === null ? 'none' : 'vhost' })
    if (all === null || all.length === 0 || !isSameProcess(qemu)) return { kind: 'ended', pid }
    const { missing, isWaiting, hasVcpu } = missingSince(all)
    const different = deviations(all, threads)
    const now = Date.now()
    const refusals = await apply(different.flatMap((one) => postpone(one, isSettled)))
    const promised = refusals.filter(({ deviation, reason }) => isPromised(deviation.role, reason))
    const isLeft = refusals.length - promised.length === different.length
    if (!isLeft || isWaiting) heldSince = null
    else heldSince ??= now
    refusedSince = promised.length === 0 ? null : (refusedSince ?? now)
    if (guestRuns(all)) runsSince ??= now
    if (hasLasted(heldSince, HOLD_MS, now, runsSince)) {
      return { kind: 'held', pid, threads: all, tunedMs: heldSince - started, refusals, missing }
    }
    // A vCPU that cannot be as promised is enough, whatever else is not known.
    const isDecided = !isWaiting || promised.some(({ deviation: { role } }) => isVcpu(role))
    if (isDecided && hasLasted(refusedSince, REFUSAL_MS, now, runsSince)) {
      return { kind: 'refused', ...qemu, refusals, missing }
    }
    if (refusals.length > 0) await sleep(RETRY_MS)
    else if (different.length === 0) await threadsChange(hasVcpu ? LOOK_MS : NO_VCPU_LOOK_MS)
    // What was set is looked at again at once: the kernel may have taken less than was asked for.
    else await sleep(1)
  }
}

/**
 * Whether something has been so for long enough. As long as a guest is paused in which it was started, libvirt may not
 * have moved and set its threads yet.
 * @param since when it began; null when it is not so
 * @param runsSince when the guest began to run; null while it does not
 */
function hasLasted(since: number | null, ms: number, now: number, runsSince: number | null): since is number {
  if (since === null) return false
  return runsSince === null ? now - since >= PAUSED_MS : now - Math.max(since, runsSince) >= ms
}

/** How long after a thread has come it may still have no name: it gives itself one. */
const NAMING_MS = 50

/** How long threads are not looked at while none comes or goes: somebody may set them. */
const LOOK_MS = 100

/** The same until the first vCPU is there: with hundreds of VMs that start at once, looking costs more than starting them. */
const NO_VCPU_LOOK_MS = 1000

/**
 * Makes a wait that ends when a thread may have come, gone or got its name, and now and then besides. To count threads
 * takes a small part of what it takes to look at each.
 */
function makeThreadWatch(pid: number, started: number): (lookMs: number) => Promise<void> {
  let count = 0
  let changedAt = 0
  return async (lookMs) => {
    const end = Date.now() + lookMs
    do {
      await sleep(pause(Date.now() - started))
      const now = countThreads(pid)
      if (now !== count) changedAt = Date.now()
      count = now
    } while (Date.now() - changedAt >= NAMING_MS && Date.now() < end)
  }
}

/** Leaves out a policy whose time has not come. */
function postpone(deviation: Deviation, isSettled: (deviation: Deviation) => boolean): Deviation[] {
  if (!deviation.differs.includes('policy') || isSettled(deviation)) return [deviation]
  return deviation.differs.includes('cpus') ? [{ ...deviation, differs: ['cpus'] }] : []
}

/** Makes a check of which threads of the plan are missing, and whether they are still waited for. */
function makeMissingWatch(expected: Expected, started: number) {
  let known = ''
  let since = started
  return (all: readonly Thread[]) => {
    const roles = [...rolesOf(all, expected.plan.unnamed ?? []).values()]
    const missing = missingRoles(roles, expected)
    const now = Date.now()
    const names = missing.map(describeRole).join()
    if (names !== known) since = now
    known = names
    const hasVcpu = roles.some(isVcpu)
    const end = hasVcpu ? since + OTHERS_MS : started + FIRST_VCPU_MS
    return { missing, isWaiting: missing.length > 0 && now < end, hasVcpu }
  }
}

function isVcpu({ kind }: Role): boolean {
  return kind === 'vcpu' || kind === 'all-vcpus'
}

/** A hundredth of the time that went by, so that a thread waits a little of what it took to appear. */
function pause(elapsedMs: number): number {
  return Math.min(250, Math.max(1, elapsedMs / 100))
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
