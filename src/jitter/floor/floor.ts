import type { HardwareNoise } from './hwnoise.js'
import type { HostSample } from './rt-tests.js'

/** Where and how the vCPU's thread ran, so that the host is measured in the same way. */
export interface Placement {
  readonly cpu: number
  /** Another CPU for the threads that only wait; the same one where there is no other. */
  readonly otherCpu: number
  readonly policy: string
  /** 0 for best effort. */
  readonly priority: number
}

/** What the host does by itself, and what could not be measured. */
export interface Floor {
  readonly seconds: number
  /** CPU, policy and priority that it had. */
  readonly cpu: number
  readonly policy: string
  readonly priority: number
  readonly host: (HostSample & { readonly tool: string }) | null
  readonly hardware: HardwareNoise | null
  /** The guest's worst over the host's; null when the host was not measured. */
  readonly ratio: number | null
  readonly notMeasured: readonly NotMeasured[]
}

export interface NotMeasured {
  readonly tool: string
  readonly why: string
}

/** The host's programs count whole microseconds, the guest ticks. */
const RESOLUTION_MICROSECONDS = 1

/** How many times longer the guest's worst is than the host's. */
export function floorRatio(guestMicroseconds: number, host: HostSample | null): number | null {
  return host === null ? null : guestMicroseconds / Math.max(RESOLUTION_MICROSECONDS, host.worstMicroseconds)
}

/** How long the host is measured without being told: as long as the guest, but not for days. */
const MOST_SECONDS = 60

/** What `--floor` says: `auto`, `none`, or seconds. */
export type FloorOption = 'auto' | 'none' | number

/** @returns null when it is neither `auto`, `none` nor a number of seconds from 2 to 86400 */
export function parseFloorOption(text: string): FloorOption | null {
  if (text === 'auto' || text === 'none') return text
  const seconds = /^\d{1,5}$/.test(text) ? Number(text) : 0
  return seconds >= 2 && seconds <= 86_400 ? seconds : null
}

/** How long to measure the host, in whole seconds; null for not at all. @param seconds for how long the guest is measured */
export function floorSeconds(option: FloorOption, seconds: number): number | null {
  if (option === 'none') return null
  return option === 'auto' ? Math.min(Math.ceil(seconds), MOST_SECONDS) : option
}
