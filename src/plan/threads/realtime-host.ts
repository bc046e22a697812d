import {
  cpusOfBoot,
  howToIsolate,
  ISOLATION_ID,
  isolcpusParameter,
  notIsolated,
  RESERVE_ID,
  ticklessParameters,
} from '../../checks/judge/isolation.js'
import {
  HIGHEST_VCPU,
  keptWaiting,
  kernelThreadOf,
  kernelThreadText,
  LOWER_VCPUS,
  RCUC,
} from '../../checks/judge/kernel-threads.js'
import { allowsPriority, howToAllow, LIMITS_ID } from '../../checks/judge/limits.js'
import { judgeThrottling } from '../../checks/judge/throttling.js'
import type { HostPolicy } from '../../config/policy.js'
import { type Finding, isBad } from '../../errors/finding.js'
import type { HostCpus } from '../../host/facts.js'
import type { KernelThread, KernelThreadsOf } from '../../host/kernel-threads.js'
import type { RealtimeLimits } from '../../host/limits.js'
import { type CpuSet, formatCpuSet, intersectCpuSets, unionCpuSets } from '../../units/cpu-set.js'
import { type Warning, warning } from '../warning.js'
import { isRealtime, type ThreadPlan, type ThreadSetting, type VcpuSetting } from './thread-plan.js'

/** The kernel's own per-CPU threads, which a vCPU above them keeps from running as long as it is busy. */
const BELOW = 'rcuc and ksoftirqd'

const NO_SETS: HostPolicy = { housekeeping: null, realtime: null, switch: null }

/** Warns of what makes real-time vCPUs worse than they need be: throttling, and CPUs that others are balanced onto. */
export function realtimeWarnings(
  { vcpus }: ThreadPlan,
  host: HostCpus,
  kernelThreads: KernelThreadsOf = () => null,
  sets: HostPolicy = NO_SETS,
): Finding[] {
  const realtime = vcpus.filter(isRealtime)
  const cpus = unionCpuSets(realtime.flatMap((vcpu) => vcpu.cpus ?? []))
  if (cpus.length === 0) return []
  const threads = kernelThreads(cpus)
  const { realtimeRuntime, kernel } = host
  const throttling = judgeThrottling({
    runtime: realtimeRuntime,
    release: kernel?.release ?? null,
    hasGroups: kernel?.hasRealtimeGroups ?? null,
  })
  return [
    ...(isBad(throttling) ? [throttling] : []),
    ...isolationWarnings(cpus, host, sets),
    ...reserveWarnings(cpus, host),
    ...(threads === null
      ? priorityWarnings(Math.max(...realtime.map(({ priority }) => priority ?? 0)), host)
      : waitingWarnings(realtime, threads)),
  ]
}

function isolationWarnings(cpus: CpuSet, host: HostCpus, sets: HostPolicy): Finding[] {
  const left = notIsolated(cpus, host.isolated)
  if (left.length === 0) return []
  const isolated = cpusOfBoot(
    {
      realtime: unionCpuSets(cpus, sets.realtime ?? []),
      switches: sets.switch ?? [],
      housekeeping: sets.housekeeping ?? [],
    },
    host.isolated ?? [],
  )
  const all = (isolated: CpuSet) => `${isolcpusParameter(isolated)} ${ticklessParameters(isolated)}`
  const finding: Finding = {
    id: ISOLATION_ID,
    level: 'fail',
    what: `CPU ${formatCpuSet(left)} of real-time vCPUs is not isolated`,
    where: 'the kernel puts other threads there',
    todo: howToIsolate(left, { ...host, isolated }, all),
  }
  return [finding]
}

/** CPUs that another user than root plans with and does not reach. */
function reserveWarnings(cpus: CpuSet, { reserved = [] }: HostCpus): Finding[] {
  const kept = intersectCpuSets(cpus, reserved)
  if (kept.length === 0) return []
  const finding: Finding = {
    id: RESERVE_ID,
    level: 'fail',
    what: `CPU ${formatCpuSet(kept)} is kept by host isolate`,
    where: 'only root brings vCPUs there',
    todo: 'when the VM runs, run as root: qemu-rt tune --pid PID --profile NAME',
  }
  return [finding]
}

/** Threads of the kernel's that do not run before the vCPUs of their CPU. */
function waitingWarnings(realtime: readonly VcpuSetting[], threads: readonly KernelThread[]): Finding[] {
  const vcpus = realtime.map(({ cpus, priority }) => ({ cpus: cpus ?? [], priority: priority ?? 1 }))
  const waiting = keptWaiting(threads, vcpus)
  const [lowest, ...others] = [...waiting].sort((a, b) => a.priority - b.priority)
  if (lowest === undefined) return []
  const highest = Math.max(...vcpus.map(({ priority }) => priority))
  const more = others.length === 0 ? '' : ` and ${others.length} more`
  const less = lowest.priority > 1 ? `, or give the vCPUs a priority of ${lowest.priority - 1} at most` : ''
  const todo =
    highest > HIGHEST_VCPU
      ? `${LOWER_VCPUS}, then run as root: qemu-rt host apply`
      : `run as root: qemu-rt host apply, which puts such threads above vCPUs${less}`
  const finding: Finding = {
    id: kernelThreadOf(lowest.name)?.kind.id ?? RCUC.id,
    level: 'warn',
    what: `real-time vCPUs at priority ${highest} keep the kernel's own threads from running while they are busy`,
    where: `${kernelThreadText(lowest)}${more}`,
    todo,
  }
  return [finding]
}

/**
 * RCU's threads run at rcutree.kthread_prio, which is at most 1 where nobody says (Linux kernel/rcu/tree.c,
 * sanitize_kthread_prio); ksoftirqd is best-effort.
 */
function priorityWarnings(priority: number, { rcuPriority }: HostCpus): Finding[] {
  const limit = rcuPriority === 'default' ? 1 : rcuPriority
  if (limit === undefined || priority <= limit) return []
  const why =
    rcuPriority === 'default' ? 'without rcutree.kthread_prio=' : `with rcutree.kthread_prio=${limit}`
  const boot = `boot with rcutree.kthread_prio=${Math.min(priority, HIGHEST_VCPU) + 1}`
  const lower = limit >= HIGHEST_VCPU ? LOWER_VCPUS : `${LOWER_VCPUS}, and ${boot}`
  const finding: Finding = {
    id: RCUC.id,
    level: 'warn',
    what: `real-time vCPUs at priority ${priority} are above the kernel's ${BELOW} of their CPUs (at most ${limit} ${why})`,
    where: 'a vCPU that is busy keeps them from running, and RCU stalls',
    todo: priority > HIGHEST_VCPU ? lower : `lower the priority to ${Math.max(1, limit)}, or ${boot}`,
  }
  return [finding]
}

/**
 * Warns of limits that keep threads from being real-time, or end a VM whose threads are. The kernel refuses the priority (Linux
 * kernel/sched/syscalls.c, user_check_sched_setscheduler), and ends the process of a real-time thread that runs for longer without
 * a pause than RLIMIT_RTTIME, as a vCPU does that polls (kernel/time/posix-cpu-timers.c, check_thread_timers).
 */
export function limitWarnings(
  { vcpus, emulator, iothreads, workers, vhost, contexts }: ThreadPlan,
  limits: RealtimeLimits | null,
  isStrict: boolean,
): Warning[] {
  const all: readonly (ThreadSetting | null)[] = [
    ...vcpus,
    emulator,
    ...iothreads,
    workers,
    vhost,
    contexts ?? null,
  ]
  const realtime = all.flatMap((one) => (one !== null && isRealtime(one) ? [one] : []))
  if (limits === null || realtime.length === 0) return []
  const priority = Math.max(...realtime.map(({ priority }) => priority ?? 1))
  const refused: Warning = {
    id: LIMITS_ID,
    level: 'warn',
    kind: 'limit',
    what: `this user may not give threads the real-time priority ${priority} of the profile${isStrict ? ', and strict then stops the VM' : ''}`,
    where: `RLIMIT_RTPRIO is ${limits.priority} and CAP_SYS_NICE is missing`,
    todo: howToAllow(priority),
  }
  const ended = warning(
    'unprepared',
    `the kernel ends QEMU when a real-time thread runs for ${limits.time} microseconds without a pause: RLIMIT_RTTIME; ` +
      'set LimitRTTIME=infinity for the unit that starts QEMU (by hand: start it by prlimit --rttime=unlimited COMMAND)',
  )
  return [
    ...(allowsPriority(limits.priority, priority) ? [] : [refused]),
    ...(limits.time === 'unlimited' ? [] : [ended]),
  ]
}
