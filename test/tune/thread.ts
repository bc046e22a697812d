import type { Thread } from '../../src/tune/threads.js'

/** A thread as it is when nobody has set it. */
export const UNSET: Thread = {
  tid: 7,
  name: '',
  cpus: [],
  policy: 'other',
  priority: 0,
  lastCpu: 0,
  ticks: 0,
  involuntarySwitches: 0,
}
