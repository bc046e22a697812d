import type { CpuRow } from './cpu.js'
import { cpuMap } from './cpu-map.js'
import type { Snapshot } from './snapshot.js'
import { type VmStatus, vmStatuses } from './vms.js'

/** What `status` shows. */
export interface Status {
  readonly time: Date
  /** What rates and new switches were counted over; null when there was no snapshot before. */
  readonly seconds: number | null
  readonly seesAll: boolean
  readonly vms: readonly VmStatus[]
  readonly map: readonly CpuRow[]
}

/** Compares a snapshot with the plans of its VMs. @param before an earlier one, to tell what happened since then */
export function statusOf(now: Snapshot, before: Snapshot | null): Status {
  return {
    time: now.time,
    seconds: before === null ? null : (now.at - before.at) / 1000,
    seesAll: now.seesAll,
    vms: vmStatuses(now, before),
    map: cpuMap(now),
  }
}
