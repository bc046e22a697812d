import type { Refusal } from '../change/threads.js'
import { readProc } from '../host/proc.js'
import { isRealtime } from '../plan/threads/thread-plan.js'
import { type CpuSet, formatCpuSet, intersectCpuSets, subtractCpuSets } from '../units/cpu-set.js'
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
}

/** Bit of CAP_SYS_NICE in /proc/PID/status (linux/capability.h). */
const CAP_SYS_NICE = 23n

/** Looks up why the kernel may have refused. */
export function readCircumstances(pid: number, tid: number, online: CpuSet): Circumstances {
  const own = readProc('/proc/self/status') ?? ''
  const theirs = readProc(`/proc/${pid}/status`) ?? ''
  const limit = /^Max realtime priority +(\S+)/m.exec(readProc(`/proc/${pid}/limits`) ?? '')?.[1] ?? '0'
  return {
    ...readGroupLimits(`/proc/${pid}/task/${tid}`),
    mayNice: ((BigInt(`0x${field(own, 'CapEff') || '0'}`) >> CAP_SYS_NICE) & 1n) === 1n,
    isOwn: effectiveUser(own) === effectiveUser(theirs),
    realtimeLimit: limit === 'unlimited' ? limit : Number(limit),
    online,
  }
}

function field(status: string, name: string): string {
  return new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? ''
}

function effectiveUser(status: string): string | undefined {
  return field(status, 'Uid').split(/\s+/)[1]
}

/** Why a thread could not be set, and what to do about it: `what: why; todo`. */
export function explain(refusal: Refusal, circumstances: Circumstances): string {
  const { why, todo } =
    refusal.aspect === 'cpus' ? whyNotCpus(refusal, circumstances) : whyNotPolicy(refusal, circumstances)
  return `${describeWanted(refusal)}: ${why}; ${todo}`
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

interface Reason {
  readonly why: string
  readonly todo: string
}

const AS_ROOT = 'run as root: qemu-rt tune'

function whyNotCpus({ deviation, reason, message }: Refusal, circumstances: Circumstances): Reason {
  const { isOwn, mayNice, cpuset, online } = circumstances
  const wanted = deviation.setting.cpus ?? []
  const offline = subtractCpuSets(wanted, online)
  if (reason === 'EPERM' && !isOwn && !mayNice) {
    return { why: "it is another user's and CAP_SYS_NICE is missing", todo: AS_ROOT }
  }
  if (offline.length > 0) {
    return {
      why: `CPU ${formatCpuSet(offline)} is offline`,
      todo: 'bring it online (chcpu -e), or plan others',
    }
  }
  if (cpuset !== null && intersectCpuSets(wanted, cpuset).length < wanted.length) {
    return {
      why: `the cpuset of its cgroup is ${formatCpuSet(cpuset)}`,
      todo: 'widen it (libvirt: <vcpupin>, <emulatorpin>, <vcpu cpuset>), or plan CPUs within it',
    }
  }
  return unknown(message, deviation)
}

function whyNotPolicy({ deviation, reason, message }: Refusal, circumstances: Circumstances): Reason {
  const { isOwn, mayNice, realtimeLimit, realtime } = circumstances
  const priority = deviation.setting.priority ?? 0
  if (reason !== 'EPERM') return unknown(message, deviation)
  if (!mayNice && !isOwn) return { why: "it is another user's and CAP_SYS_NICE is missing", todo: AS_ROOT }
  if (!mayNice && realtimeLimit !== 'unlimited' && realtimeLimit < priority) {
    return {
      why: `RLIMIT_RTPRIO of QEMU is ${realtimeLimit} and CAP_SYS_NICE is missing`,
      todo: `set LimitRTPRIO=${priority} for libvirtd or virtqemud (by hand: ulimit -r ${priority}), or ${AS_ROOT}`,
    }
  }
  if (realtime?.microseconds === 0) {
    return {
      why: `its cgroup has no real-time time (${realtime.file} is 0, RT_GROUP_SCHED)`,
      todo: 'leave "cpu" out of cgroup_controllers in /etc/libvirt/qemu.conf, or write microseconds to that file and those above it',
    }
  }
  return {
    why: 'the kernel does not permit it, for a reason that cannot be seen from here',
    todo: 'look for RT_GROUP_SCHED (a real-time thread needs time in its cgroup) and for a container without CAP_SYS_NICE',
  }
}

/** The kernel logs nothing of it. */
function unknown(message: string, { thread: { tid } }: Refusal['deviation']): Reason {
  return { why: message, todo: `see what it has: taskset -cp ${tid}; chrt -p ${tid}` }
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
