import { PF_KTHREAD, parseStat, policyOf, readProc, STAT } from './proc.js'
import type { Root } from './sysroot.js'

/** A thread of the kernel's that a vCPU above it keeps waiting. */
export interface KernelThread {
  readonly name: string
  /** The CPU that it is for; null for one that serves several, as rcub does. */
  readonly cpu: number | null
  /** 1 to 99; 0 for best effort. */
  readonly priority: number
}

/** Children of kthreadd, which makes the kernel's threads (kernel/fork.c, rest_init); there with CONFIG_PROC_CHILDREN. */
export const KTHREADD_CHILDREN = '/proc/2/task/2/children'

/** Of the kernel's threads, those that must run before vCPUs: softirqs, timers, and RCU's callbacks and boosting. */
const NAMED = /^(?:(?:ksoftirqd|ktimers|ktimersoftd|rcuc)\/(\d{1,6})|rcub\/\d{1,6})$/

/** SCHED_DEADLINE is before all priorities. */
const BEFORE_ALL = 100

/** The kernel makes those of a CPU one after the other, the last of all CPUs' is followed by few more. */
const FEW = 64

/**
 * Reads those threads of the kernel's, by kthreadd's children: a program may call itself like one.
 * @param isEnough whether no more are wanted
 * @returns null when the kernel does not tell, as in a container
 */
function readKernelThreads(root: Root, isEnough: (found: readonly KernelThread[]) => boolean) {
  const children = readProc(root + KTHREADD_CHILDREN)
  if (children === null || children.trim() === '') return null
  const found: KernelThread[] = []
  let left = FEW
  for (const tid of children.trim().split(' ')) {
    const thread = /^\d{1,10}$/.test(tid) ? readKernelThread(root, tid) : null
    if (thread !== null) found.push(thread)
    if (isEnough(found) && left-- === 0) break
  }
  return found
}

/** @param tid of a child of kthreadd. Null for another thread than those that count, and for one that has ended */
export function readKernelThread(root: Root, tid: string): KernelThread | null {
  const stat = parseStat(readProc(`${root}/proc/${tid}/stat`) ?? '')
  const name = NAMED.exec(stat?.name ?? '')
  if (stat === null || name === null || (stat.field(STAT.flags) & PF_KTHREAD) === 0) return null
  const priority = policyOf(stat) === 'deadline' ? BEFORE_ALL : stat.field(STAT.priority)
  return { name: stat.name, cpu: name[1] === undefined ? null : Number(name[1]), priority }
}

/** Asks for the threads of some CPUs, and for those that serve several. Null where the kernel does not tell. */
export type KernelThreadsOf = (cpus: readonly number[]) => readonly KernelThread[] | null

/** Of a host: it is looked at when it is asked, since only a plan with real-time vCPUs asks. */
export function kernelThreadsOf(root: Root): KernelThreadsOf {
  return (cpus) => {
    const hasAll = (found: readonly KernelThread[]) =>
      cpus.every((cpu) => found.some((one) => one.cpu === cpu && one.name.startsWith('ksoftirqd')))
    const threads = readKernelThreads(root, hasAll)
    return threads?.filter(({ cpu }) => cpu === null || cpus.includes(cpu)) ?? null
  }
}
