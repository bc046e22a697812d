import { readdirSync, statSync } from 'node:fs'
import type { SchedPolicy } from '../config/policy.js'
import { PF_NO_SETAFFINITY, parseStat, policyOf, readProc, STAT } from '../host/proc.js'
import { type CpuSet, parseCpuSet } from '../units/cpu-set.js'

/** A thread as the kernel shows it. */
export interface Thread {
  readonly tid: number
  /** At most 15 bytes (TASK_COMM_LEN). */
  readonly name: string
  readonly cpus: CpuSet
  /** `deadline` is never set by us, but somebody may have. */
  readonly policy: SchedPolicy | 'deadline'
  /** 0 for best effort, else 1 to 99. */
  readonly priority: number
  /** The CPU that it ran on last. */
  readonly lastCpu: number
  /** CPU time so far, in clock ticks of 10 ms. */
  readonly ticks: number
  /** How often it was taken off its CPU while it had work. */
  readonly involuntarySwitches: number
  /** Whether the kernel lets nobody change its CPUs; absent for no. */
  readonly isBound?: true
  /** Clock ticks after boot: another thread with the same number has others. Absent where nobody has looked. */
  readonly startTicks?: number
}

/** Threads of a process, oldest first; null when it has ended. */
export function readThreads(pid: number): Thread[] | null {
  try {
    const tids = readdirSync(`/proc/${pid}/task`).map(Number)
    return (
      tids
        .flatMap((tid) => readThread(`/proc/${pid}/task/${tid}`, tid) ?? [])
        // Numbers begin again at the highest one (kernel.pid_max), so that a thread may have a lower one than an older.
        .sort((a, b) => a.startTicks - b.startTicks || a.tid - b.tid)
    )
  } catch {
    return null
  }
}

/** How many threads a process has; 0 when it has ended. A directory has a link for each in it, and two of its own. */
export function countThreads(pid: number): number {
  return (statSync(`/proc/${pid}/task`, { throwIfNoEntry: false })?.nlink ?? 2) - 2
}

/** A thread of its own PID, such as one of the kernel's; null when it has ended. */
export function readSingleThread(tid: number): Thread | null {
  return readThread(`/proc/${tid}`, tid)
}

function readThread(directory: string, tid: number): (Thread & { readonly startTicks: number }) | null {
  const stat = parseStat(readProc(`${directory}/stat`) ?? '')
  const status = readProc(`${directory}/status`)
  if (stat === null || status === null) return null
  return {
    tid,
    name: stat.name,
    cpus: parseCpuSet(/^Cpus_allowed_list:\s*(.*)$/m.exec(status)?.[1] ?? '') ?? [],
    policy: policyOf(stat),
    priority: stat.field(STAT.priority),
    lastCpu: stat.field(STAT.lastCpu),
    ticks: stat.field(14) + stat.field(15),
    involuntarySwitches: Number(/^nonvoluntary_ctxt_switches:\s*(\d+)$/m.exec(status)?.[1] ?? 0),
    // sched_setaffinity gives EINVAL for it.
    ...((stat.field(STAT.flags) & PF_NO_SETAFFINITY) === 0 ? {} : { isBound: true }),
    startTicks: stat.field(STAT.startTime),
  }
}
