import { parseStat, readProc } from '../host/proc.js'
import type { VmRecord } from '../record/vm.js'
import { listPids, readPlan } from './processes.js'

/**
 * Finds the process that is a launch's QEMU, by the launch id in its environment: the launcher itself once it has
 * become QEMU, with `-daemonize` its grandchild (QEMU 7.2 os-posix.c, os_daemonize), which goes on when it ends.
 * @param launcher PID that the launcher had
 * @returns its PID; `not yet`; `ended` when no process of this launch is there any more
 */
export function findQemu(launcher: number, { id, daemonizes }: VmRecord): number | 'not yet' | 'ended' {
  const isThere = parentOf(launcher) !== null
  if (!daemonizes) {
    if (!isThere) return 'ended'
    return carries(launcher, id) ? launcher : 'not yet'
  }
  const others = listPids().filter((pid) => pid !== launcher && carries(pid, id))
  // The child in between ends at once.
  return others.find((pid) => parentOf(pid) !== launcher) ?? (isThere ? 'not yet' : 'ended')
}

function carries(pid: number, id: string): boolean {
  return readPlan(pid)?.id === id
}

function parentOf(pid: number): number | null {
  return parseStat(readProc(`/proc/${pid}/stat`) ?? '')?.field(4) ?? null
}
