import { PF_KTHREAD, parseStat, policyOf, readProc, STAT } from './proc.js'
import { listDirectory } from './sysfs.js'
import type { Root } from './sysroot.js'

/** The thread that the kernel has for an interrupt, on PREEMPT_RT or where its driver asks for one. */
export interface InterruptThread {
  readonly tid: number
  readonly policy: ReturnType<typeof policyOf>
  readonly priority: number
  /** When it started: tells it from a later thread with the same number. */
  readonly startTicks: number
}

/** kthreadd, whose children all threads of the kernel are. */
const KTHREADD = 2

/** Place in proc(5)'s stat. */
const PARENT = 4

/**
 * Reads the threads of all interrupts, `irq/24-vfio-msix` (kernel/irq/manage.c, setup_irq_thread): threads of the kernel
 * alone, since any process may call itself so.
 * @returns by the number of the interrupt
 */
export function readInterruptThreads(root: Root): ReadonlyMap<number, readonly InterruptThread[]> {
  const threads = new Map<number, InterruptThread[]>()
  for (const pid of listDirectory(`${root}/proc`) ?? []) {
    const stat = /^\d+$/.test(pid) ? parseStat(readProc(`${root}/proc/${pid}/stat`) ?? '') : null
    const irq = /^irq\/(\d{1,9})-/.exec(stat?.name ?? '')?.[1]
    if (stat === null || irq === undefined) continue
    if (stat.field(PARENT) !== KTHREADD || (stat.field(STAT.flags) & PF_KTHREAD) === 0) continue
    const thread = {
      tid: Number(pid),
      policy: policyOf(stat),
      priority: stat.field(STAT.priority),
      startTicks: stat.field(STAT.startTime),
    }
    threads.set(Number(irq), [...(threads.get(Number(irq)) ?? []), thread])
  }
  return threads
}

/** Whether a thread that was read is there still: that of an interrupt ends when the interrupt is freed. */
export function isThereStill(root: Root, { tid, startTicks }: InterruptThread): boolean {
  return parseStat(readProc(`${root}/proc/${tid}/stat`) ?? '')?.field(STAT.startTime) === startTicks
}
