import { readFileSync } from 'node:fs'
import { findGroup, type Group } from '../host/cgroup.js'
import { cpusOfGroup } from '../host/cpuset.js'
import { readProc } from '../host/proc.js'
import { readNumber } from '../host/sysfs.js'
import type { CpuSet } from '../units/cpu-set.js'

/** What a thread's control groups allow it. */
export interface GroupLimits {
  /** Path of the group's cpu.rt_runtime_us and what stands in it; null where real-time time is not shared by groups. */
  readonly realtime: { readonly file: string; readonly microseconds: number } | null
  readonly cpuset: CpuSet | null
}

/** Reads the limits of a thread's groups. @param task its directory, `/proc/PID/task/TID` */
export function readGroupLimits(task: string): GroupLimits {
  const mounts = readFileSync('/proc/self/mountinfo', 'latin1')
  const cgroup = readProc(`${task}/cgroup`) ?? ''
  const cpuset = findGroup('cpuset', cgroup, mounts)
  return { realtime: readRealtime(cpuGroupOf(cgroup, mounts)), cpuset: cpuset && cpusOfGroup('', cpuset) }
}

/** A thread's group of the cpu controller, to see whether somebody has moved it; empty where there is none. */
export function readCpuGroup(task: string): string {
  const group = cpuGroupOf(readProc(`${task}/cgroup`) ?? '', readFileSync('/proc/self/mountinfo', 'latin1'))
  return group === null ? '' : `${group.mountPoint}${group.path}`
}

/**
 * Whether each group has a share of real-time time of its own: a kernel with RT_GROUP_SCHED, and cgroup v1
 * (Documentation/scheduler/sched-rt-group.rst). Then a real-time thread cannot be moved into a group without a share.
 */
export function sharesRealtimeByGroup(task: string): boolean {
  return readGroupLimits(task).realtime !== null
}

function cpuGroupOf(cgroup: string, mounts: string): Group | null {
  return findGroup('cpu', cgroup, mounts)
}

function readRealtime(group: Group | null): GroupLimits['realtime'] {
  if (group?.version !== 1) return null
  const file = `${group.mountPoint}${group.path}/cpu.rt_runtime_us`
  const microseconds = readNumber(file)
  return microseconds === null ? null : { file, microseconds }
}
