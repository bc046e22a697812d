import type { PlacedVcpu } from '../result.js'
import type { Role } from './guest.js'
import type { SwitchPlan } from './switch-plan.js'
import type { RoundTrips } from './tally.js'

/** What one run of the two guests has seen. */
export interface NetworkResult extends RoundTrips {
  /** null for best effort. */
  readonly profile: string | null
  readonly accelerator: 'kvm' | 'tcg'
  readonly frameBytes: number
  readonly intervalMicroseconds: number
  /** The switch that was started; null for the user's own. */
  readonly switch: SwitchPlan | null
  /** The vCPUs that poll: the sender's and the echo's. */
  readonly vcpus: readonly NetworkVcpu[]
  /** Why the figures say nothing of the network; null when they do. */
  readonly meaningless: string | null
  /** What makes it worse than it need be, and what to do. */
  readonly explanations: readonly string[]
}

/** A vCPU that polls. */
export interface NetworkVcpu extends PlacedVcpu {
  readonly role: Role
}
