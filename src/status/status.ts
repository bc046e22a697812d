import type { CpuRow } from './cpu.js'
import { cpuMap } from './cpu-map.js'
import type { Snapshot } from './snapshot.js'
import { hasDrifted, type VmStatus, vmStatuses } from './vms.js'

/** What `status` shows. */
export interface Status {
  readonly time: Date
  /** What rates and new switches were counted over; null when there was no snapshot before. */
  readonly seconds: number | null
  readonly seesAll: boolean
  readonly vms: readonly VmStatus[]
  readonly map: readonly CpuRow[]
  /** What was asked for, and what is shown is all that meets it; null for everything. */
  readonly asked: Asked | null
  /** How many VMs are left out. */
  readonly hidden: number
}

/** Which VMs are to be shown. */
export interface Asked {
  /** Name of a guest. */
  readonly domain?: string | undefined
  /** Those alone that are not as planned. */
  readonly drifted?: boolean
}

/** A status of the VMs that are asked for alone, and of the CPUs that these have. */
export function only(status: Status, asked: Asked): Status {
  if (asked.domain === undefined && asked.drifted !== true) return status
  const vms = status.vms.filter(
    (vm) =>
      (asked.domain === undefined || vm.guest.name === asked.domain) &&
      (asked.drifted !== true || hasDrifted(vm)),
  )
  const pids = new Set(vms.map(({ pid }) => pid))
  return {
    ...status,
    vms,
    map: status.map.filter(({ uses }) => uses.some(({ pid }) => pids.has(pid))),
    asked,
    hidden: status.vms.length - vms.length,
  }
}

/** Compares a snapshot with the plans of its VMs. @param before an earlier one, to tell what happened since then */
export function statusOf(now: Snapshot, before: Snapshot | null): Status {
  return {
    time: now.time,
    seconds: before === null ? null : (now.at - before.at) / 1000,
    seesAll: now.seesAll,
    vms: vmStatuses(now, before),
    map: cpuMap(now),
    asked: null,
    hidden: 0,
  }
}
