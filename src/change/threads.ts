import type { SchedPolicy } from '../config/policy.js'
import { isSameProcess } from '../host/process.js'
import { run } from '../host/program.js'
import type { Aspect, Deviation } from '../tune/deviations.js'
import { formatCpuSet } from '../units/cpu-set.js'
import { bringThread } from './by-hand.js'

/** What the kernel would not do. */
export interface Refusal {
  readonly deviation: Deviation
  readonly aspect: Aspect
  /** `narrowed`: the kernel took the CPUs, but the cpuset left fewer of them. */
  readonly reason: 'EPERM' | 'EINVAL' | 'narrowed' | 'other'
  /** What the program that was to do it said. */
  readonly message: string
}

/** chrt(1). */
export const CHRT: Readonly<Record<SchedPolicy, string>> = {
  other: '--other',
  batch: '--batch',
  idle: '--idle',
  fifo: '--fifo',
  rr: '--rr',
}

/** How many programs run at a time: how many threads there are is QEMU's to say. */
const AT_A_TIME = 8

/**
 * Sets CPUs first and the policy then: a thread that became real-time where it must not be would stop what runs there.
 * Threads that have ended meanwhile are no refusal.
 * @returns what was refused, in the order of the deviations
 */
export async function apply(deviations: readonly Deviation[]): Promise<Refusal[]> {
  const refusals = new Map<Deviation, Refusal>()
  // One iterator for all workers, so that each deviation is taken once.
  const waiting = deviations.values()
  const work = async () => {
    for (const deviation of waiting) {
      const refusal = await applyOne(deviation)
      if (refusal !== null) refusals.set(deviation, refusal)
    }
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, work))
  return deviations.flatMap((deviation) => refusals.get(deviation) ?? [])
}

async function applyOne(deviation: Deviation): Promise<Refusal | null> {
  const { tid, startTicks } = deviation.thread
  const isRoot = process.geteuid?.() === 0
  for (const aspect of deviation.differs) {
    // QEMU can end the thread and, with as many threads as it likes, make the setting of others last until somebody else has
    // the number.
    if (startTicks !== undefined && !isSameProcess({ pid: tid, startTicks })) return null
    const kept =
      aspect === 'cpus' && isRoot ? bringThread(deviation.thread, deviation.setting.cpus ?? []) : null
    if (kept !== null)
      return { deviation, aspect, reason: 'other', message: `its control group cannot be changed (${kept})` }
    const message = await run(COMMANDS[aspect](deviation))
    if (message === null) continue
    if (/No such process/.test(message)) return null
    return { deviation, aspect, reason: reasonOf(message), message: message.split('\n')[0] ?? '' }
  }
  return null
}

/** The command that sets one aspect of a thread, by util-linux. */
export const COMMANDS: Readonly<Record<Aspect, (deviation: Deviation) => string[]>> = {
  cpus: ({ thread, setting }) => [
    'taskset',
    '--pid',
    '--cpu-list',
    formatCpuSet(setting.cpus ?? []),
    String(thread.tid),
  ],
  policy: ({ thread, setting }) => [
    'chrt',
    // QEMU makes worker threads from whatever thread waits for a disk, a vCPU's too, and KVM its own from the first vCPU
    // that runs: these must not be real-time because that one is (sched(7), SCHED_RESET_ON_FORK). To clear the flag
    // afterwards takes CAP_SYS_NICE (the same page), and /proc does not show whether a thread has it. Of a thread that is not
    // real-time, children lose no more by it than a negative nice.
    ...(setting.priority === null && process.geteuid?.() === 0 ? [] : ['--reset-on-fork']),
    CHRT[setting.policy ?? 'other'],
    '--pid',
    String(setting.priority ?? 0),
    String(thread.tid),
  ],
}

function reasonOf(message: string): Refusal['reason'] {
  if (/Operation not permitted|Permission denied/.test(message)) return 'EPERM'
  return /Invalid argument/.test(message) ? 'EINVAL' : 'other'
}
