import type { ThreadSetting } from '../plan/threads/thread-plan.js'
import { deviation } from '../tune/deviations.js'
import type { Role } from '../tune/roles.js'
import type { Thread } from '../tune/threads.js'

/** What of a thread is not as planned. `priority` only when its policy is. */
export type Drift = 'cpus' | 'policy' | 'priority'

/**
 * Compares a thread with what is wanted of it, by the tuner's own measure: what has not drifted `tune` leaves alone.
 * @param wanted null when the plan says nothing of the thread
 */
export function driftOf(thread: Thread, role: Role, wanted: ThreadSetting | null): Drift[] {
  if (wanted === null) return []
  return deviation(thread, role, wanted).flatMap(({ differs }) =>
    differs.map((aspect): Drift => {
      return aspect === 'policy' && thread.policy === wanted.policy ? 'priority' : aspect
    }),
  )
}
