import type { Role } from '../tune/roles.js'
import { formatCpuSet } from '../units/cpu-set.js'
import type { ThreadStatus } from './vms.js'

/** Threads that are shown in one row. */
export interface Row {
  readonly first: ThreadStatus
  readonly threads: readonly ThreadStatus[]
}

/** Kinds of which there are many. */
const FOLDED: readonly Role['kind'][] = ['worker', 'io_uring']

/** So few are shown one by one. */
const FEW = 3

/**
 * Puts worker threads that are alike in one row: QEMU makes up to 64 of them for each I/O thread, and ends them when
 * they have nothing to do (util/thread-pool.c).
 */
export function foldWorkers(threads: readonly ThreadStatus[]): Row[] {
  const rows = new Map<string, [ThreadStatus, ...ThreadStatus[]]>()
  for (const one of threads) {
    const { thread, role, drift } = one
    const likeness = [formatCpuSet(thread.cpus), thread.policy, thread.priority, ...drift]
    const key = FOLDED.includes(role.kind) ? [role.kind, ...likeness].join(' ') : `TID ${thread.tid}`
    const row = rows.get(key)
    if (row === undefined) rows.set(key, [one])
    else row.push(one)
  }
  return [...rows.values()].flatMap((alike) =>
    alike.length <= FEW
      ? alike.map((one) => ({ first: one, threads: [one] }))
      : [{ first: alike[0], threads: alike }],
  )
}
