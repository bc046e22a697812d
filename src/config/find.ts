import { DEFAULT_CONFIG_PATH } from './policy.js'

/** Which file is the configuration, and whether somebody has named it: one at the default place may be missing. */
export interface FoundConfig {
  readonly path: string
  readonly explicit: boolean
}

/**
 * Finds the configuration, alike for every command: the one that a flag names, else `QEMU_RT_CONFIG`, else the default.
 * An empty name is none.
 */
export function findConfig(
  flag: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): FoundConfig {
  const named = flag || env.QEMU_RT_CONFIG
  return { path: named || DEFAULT_CONFIG_PATH, explicit: Boolean(named) }
}
