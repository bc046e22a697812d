import { readdirSync } from 'node:fs'
import { parseCpuSet } from '../../units/cpu-set.js'
import { findGroup } from '../cgroup.js'
import { PF_KTHREAD, PF_NO_SETAFFINITY, parseStat, policyOf, readProc, STAT } from '../proc.js'
import { readAttribute } from '../sysfs.js'
import type { DaemonFact, ThreadFact } from './facts.js'

/** kthreadd, whose children all other threads of the kernel are (kernel/fork.c, rest_init). */
const KTHREADD = 2

/**
 * Reads all threads of this host.
 * @returns null with the reason when the kernel's own cannot be seen: in a PID namespace, or with hidepid
 */
export function readAllThreads(): { readonly threads: readonly ThreadFact[] | null; readonly why: string } {
  const kthreadd = parseStat(readProc(`/proc/${KTHREADD}/stat`) ?? '')
  if (kthreadd === null || (kthreadd.field(STAT.flags) & PF_KTHREAD) === 0)
    return { threads: null, why: "the host's threads cannot be seen from here (a container, or hidepid)" }
  const mounts = readProc('/proc/self/mountinfo') ?? ''
  const pids = numbersIn('/proc')
  return { threads: pids.flatMap((pid) => threadsOf(pid, mounts)), why: '' }
}

function threadsOf(pid: number, mounts: string): ThreadFact[] {
  const group = findGroup('cpuset', readProc(`/proc/${pid}/cgroup`) ?? '', mounts)?.path ?? null
  return numbersIn(`/proc/${pid}/task`).flatMap((tid) => readThread(pid, tid, group) ?? [])
}

/** Reads one thread as it is now; null when it has ended. */
export function readThread(pid: number, tid: number, group: string | null = null): ThreadFact | null {
  const directory = `/proc/${pid}/task/${tid}`
  const stat = parseStat(readProc(`${directory}/stat`) ?? '')
  const allowed = /^Cpus_allowed_list:\s*(.*)$/m.exec(readProc(`${directory}/status`) ?? '')?.[1]
  if (stat === null || allowed === undefined) return null
  const flags = stat.field(STAT.flags)
  return {
    pid,
    tid,
    name: stat.name,
    isKernels: (flags & PF_KTHREAD) !== 0,
    isBound: (flags & PF_NO_SETAFFINITY) !== 0,
    policy: policyOf(stat),
    priority: stat.field(STAT.priority),
    cpus: parseCpuSet(allowed) ?? [],
    group,
  }
}

function numbersIn(directory: string): number[] {
  try {
    return readdirSync(directory)
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .sort((a, b) => a - b)
  } catch {
    return []
  }
}

/** libvirt's daemons, and where each writes its PID (virPidFileConstructPath). */
const DAEMONS = ['libvirtd', 'virtqemud']

/** Reads the limits of libvirt's daemons that run; those that are none of this user's to look at are left out. */
export function readDaemons(): DaemonFact[] {
  return DAEMONS.flatMap((name) => {
    const pid = readAttribute(`/run/${name}.pid`)
    if (pid === null || !/^\d{1,10}$/.test(pid)) return []
    if (parseStat(readProc(`/proc/${pid}/stat`) ?? '')?.name !== name) return []
    const limits = readProc(`/proc/${pid}/limits`) ?? ''
    const realtimePriority = softLimit(limits, 'Max realtime priority')
    const lockedMemory = softLimit(limits, 'Max locked memory')
    return realtimePriority === null || lockedMemory === null
      ? []
      : [{ name, realtimePriority, lockedMemory }]
  })
}

function softLimit(limits: string, name: string): number | 'unlimited' | null {
  const soft = new RegExp(`^${name} +(\\d+|unlimited)`, 'm').exec(limits)?.[1]
  return soft === undefined ? null : soft === 'unlimited' ? soft : Number(soft)
}
