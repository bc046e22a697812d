import type { Obstacle } from '../plan/nics/readiness.js'
import type { CpuSet } from '../units/cpu-set.js'
import type { Offers, Unit } from './offers.js'

/** All that an export is made from. */
export interface ExportSubject {
  readonly offers: Offers['offers']
  readonly host: {
    /** Real-time CPUs of the configuration that are online; null without any in the configuration. */
    readonly realtimeCpus: CpuSet | null
    /** null when it is not known. */
    readonly preemptRt: boolean | null
    /** Whether libvirt's hook is there, which binds a NIC to vfio-pci when a VM starts. */
    readonly isHooked: boolean
  }
  /** When what is told is no longer true unless told again; null for a format that has no such thing, or when nobody said. */
  readonly expires: Date | null
}

/** Why the other system is not to hand a unit out; null when it may. */
export type Withheld = (unit: Unit) => Obstacle | null

/** A text for the other system, and a line for each thing that it does not have. */
export interface Exported {
  readonly text: string
  readonly notes: readonly string[]
}
