import { isPreemptRt } from '../checks/judge/preempt-rt.js'
import { readAttribute } from './sysfs.js'
import type { Root } from './sysroot.js'

/** Whether this host's kernel is PREEMPT_RT; null when it is not known. */
export function readPreemptRt(root: Root): boolean | null {
  return isPreemptRt(readAttribute(`${root}/sys/kernel/realtime`), readAttribute(`${root}/proc/version`))
}
