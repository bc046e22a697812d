import type { WriteSysfs } from '../../change/driver.js'

/** The host that a hook works on. */
export interface HookHost {
  readonly sysroot: string
  readonly write: WriteSysfs
}
