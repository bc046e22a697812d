import type { WriteSysfs } from '../../change/driver.js'

/** The host that a hook works on. */
export interface HookHost {
  readonly sysroot: string
  readonly write: WriteSysfs
  /** Where a domain may name a configuration; the default one's directory when it is not said. */
  readonly configDirectory?: string
}
