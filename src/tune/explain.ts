import { quoteIfNeeded } from '../argv/shell.js'
import type { Refusal } from '../change/threads.js'
import { byOnline } from '../checks/fixes.js'
import { RESERVE_ID } from '../checks/judge/isolation.js'
import { allowsPriority, howToAllow, LIMITS_ID } from '../checks/judge/limits.js'
import { type Finding, findingText } from '../errors/finding.js'
import { readCpus } from '../host/cpus.js'
import type { CpuPartition } from '../host/facts.js'
import { hasCapability } from '../host/limits.js'
import { readPartitions } from '../host/partitions.js'
import { readProc } from '../host/proc.js'
import { openSysroot } from '../host/sysroot.js'
import { obstaclesTo } from '../plan/threads/obstacles.js'
import { isRealtime } from '../plan/threads/thread-plan.js'
import { type CpuSet, formatCpuSet, intersectCpuSets, RESERVE, subtractCpuSets } from '../units/cpu-set.js'
import type { SmtOff } from '../units/smt.js'
import { describeRole, type Role } from './roles.js'
import { type GroupLimits, readGroupLimits } from './thread-groups.js'
import type { Thread } from './threads.js'

/** What decides whether a thread may be set; read when the kernel has refused. */
export interface Circumstances extends GroupLimits {
  /** Whether this process may set any thread (CAP_SYS_NICE, capabilities(7)). */
  readonly mayNice: boolean
  /** Whether the thread is of this process's user. */
  readonly isOwn: boolean
  /** RLIMIT_RTPRIO of the thread's process (getrlimit(2)). */
  readonly realtimeLimit: number | 'unlimited'
  readonly online: CpuSet
  /** How SMT is off, where it is. */
  readonly smt?: SmtOff | undefined
  /** Cgroups that have taken CPUs for themselves. */
  readonly partitions?: readonly CpuPartition[]
  /** What root would run to set the threads; absent where this is root. */
  readonly asRoot?: string
}

/**
 * Looks up why the kernel may have refused.
 * @param profile that the VM runs by; null for none
 */
export function readCircumstances(pid: number, tid: number, profile: string | null = null): Circumstances {
  const host = openSysroot('/')
  const cpus = readCpus(host, false)
  const own = readProc('/proc/self/status') ?? ''
  const theirs = readProc(`/proc/${pid}/status`) ?? ''
  const limit = /^Max realtime priority +(\S+)/m.exec(readProc(`/proc/${pid}/limits`) ?? '')?.[1] ?? '0'
  return {
    ...readGroupLimits(`/proc/${pid}/task/${tid}`),
    mayNice: hasCapability(own, 'sysNice'),
    isOwn: effectiveUser(own) === effectiveUser(theirs),
    realtimeLimit: limit === 'unlimited' ? limit : Number(limit),
    online: cpus?.online ?? [],
    smt: cpus?.smt,
    partitions: readPartitions(host),
    ...(effectiveUser(own) === '0' ? {} : { asRoot: `qemu-rt tune --pid ${pid}${withProfile(profile)}` }),
  }
}

/** Root goes by its own word, so it names the profile. */
function withProfile(profile: string | null): string {
  return profile === null ? '' : ` --profile ${quoteIfNeeded(profile)}`
}

function field(status: string, name: string): string {
  return new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? ''
}

function effectiveUser(status: string): string | undefined {
  return field(status, 'Uid').split(/\s+/)[1]
}

/** Why a thread could not be set, and what to do about it: `what: why; todo`. */
export function explain(refusal: Refusal, circumstances: Circumstances): string {
  return findingText(causeOf(refusal, circumstances))
}

/** The same as a finding, by the id of `host check` where it judges the same. */
export function causeOf(refusal: Refusal, circumstances: Circumstances): Finding {
  const reason =
    refusal.aspect === 'cpus' ? whyNotCpus(refusal, circumstances) : whyNotPolicy(refusal, circumstances)
  return { ...reason, level: 'fail', what: describeWanted(refusal) }
}

function describeWanted({ aspect, deviation: { thread, role, setting } }: Refusal): string {
  const wanted =
    aspect === 'cpus'
      ? `CPU ${formatCpuSet(setting.cpus ?? [])}`
      : `${setting.policy}${isRealtime(setting) ? ` ${setting.priority}` : ''}`
  return `${describeThread(role, thread)} cannot have ${wanted}`
}

/** There is one of each vCPU and I/O thread; others are told apart by what the kernel has of them. */
function describeThread(role: Role, { name, tid }: Thread): string {
  const isOne = role.kind === 'vcpu' || role.kind === 'all-vcpus' || role.kind === 'iothread'
  return isOne ? describeRole(role) : `${describeRole(role)} '${name}' (TID ${tid})`
}

type Reason = Required<Pick<Finding, 'id' | 'where' | 'todo'>>

const NOT_OURS: Reason = {
  id: 'tune.capability',
  where: "it is another user's and CAP_SYS_NICE is missing",
  todo: 'run as root: qemu-rt tune',
}

function whyNotCpus({ deviation, reason, message }: Refusal, circumstances: Circumstances): Reason {
  const { isOwn, mayNice, cpuset, online, smt, partitions = [] } = circumstances
  const wanted = deviation.setting.cpus ?? []
  const offline = subtractCpuSets(wanted, online)
  if (reason === 'EPERM' && !isOwn && !mayNice) {
    return NOT_OURS
  }
  if (offline.length > 0) {
    return {
      id: 'tune.cpu-offline',
      where: `CPU ${formatCpuSet(offline)} is offline`,
      todo: `${byOnline(offline, smt)}; or plan others`,
    }
  }
  const kept = partitions.filter(({ group }) => group === RESERVE).flatMap(({ cpus }) => cpus)
  const reserved = intersectCpuSets(wanted, kept)
  if (reserved.length > 0 && circumstances.asRoot !== undefined) {
    return {
      id: RESERVE_ID,
      where: `host isolate keeps CPU ${formatCpuSet(reserved)}, and only root brings threads there`,
      todo: `run as root: ${circumstances.asRoot}`,
    }
  }
  const [taken] = obstaclesTo(wanted, { online, cpuset, partitions }).filter(
    ({ kind }) => kind === 'partition',
  )
  if (taken !== undefined) {
    return {
      id: 'tune.partition',
      where: `CPU ${formatCpuSet(taken.cpus)} is ${taken.why}`,
      todo: 'start the VM in that cgroup, or plan CPUs of its own',
    }
  }
  if (cpuset !== null && intersectCpuSets(wanted, cpuset).length < wanted.length) {
    return {
      id: 'tune.cpuset',
      where: `the cpuset of its cgroup is ${formatCpuSet(cpuset)}`,
      todo: 'widen it (libvirt: <vcpupin>, <emulatorpin>, <vcpu cpuset>), or plan CPUs within it',
    }
  }
  return unknown(message, deviation)
}

function whyNotPolicy({ deviation, reason, message }: Refusal, circumstances: Circumstances): Reason {
  const { isOwn, mayNice, realtimeLimit, realtime } = circumstances
  const priority = deviation.setting.priority ?? 0
  if (reason !== 'EPERM') return unknown(message, deviation)
  if (!mayNice && !isOwn) return NOT_OURS
  if (!mayNice && !allowsPriority(realtimeLimit, priority)) {
    return {
      id: LIMITS_ID,
      where: `RLIMIT_RTPRIO of QEMU is ${realtimeLimit} and CAP_SYS_NICE is missing`,
      todo: howToAllow(priority),
    }
  }
  if (realtime?.microseconds === 0) {
    return {
      id: 'tune.group-time',
      where: `its cgroup has no real-time time (${realtime.file} is 0, RT_GROUP_SCHED)`,
      todo: 'leave "cpu" out of cgroup_controllers in /etc/libvirt/qemu.conf, or write microseconds to that file and those above it',
    }
  }
  return {
    id: 'tune.refused',
    where: 'the kernel does not permit it, for a reason that cannot be seen from here',
    todo: 'look for RT_GROUP_SCHED (a real-time thread needs time in its cgroup) and for a container without CAP_SYS_NICE',
  }
}

/** The kernel logs nothing of it. */
function unknown(message: string, { thread: { tid } }: Refusal['deviation']): Reason {
  return { id: 'tune.refused', where: message, todo: `see what it has: taskset -cp ${tid}; chrt -p ${tid}` }
}

/** The causes of several refusals, each once: threads that were refused alike are named by the first of them. */
export function explainAll(
  refusals: readonly Refusal[],
  read: (refusal: Refusal) => Circumstances,
): string[] {
  const seen = new Map<string, string>()
  for (const refusal of refusals) {
    const kind = `${refusal.deviation.role.kind} ${refusal.aspect} ${refusal.reason}`
    if (!seen.has(kind)) seen.set(kind, explain(refusal, read(refusal)))
  }
  return [...seen.values()]
}
