import { readProc } from '../host/proc.js'
import type { RuntimePlan } from '../plan/runtime-plan.js'
import { listPids, readPlan } from './processes.js'

/**
 * Finds the process that is a launch's QEMU, by the launch id in its environment: the launcher itself once it has
 * become QEMU, with `-daemonize` the child that goes on when it ends.
 * @param launcher PID that the launcher had
 * @returns its PID; `not yet`; `ended` when no process of this launch is there any more
 */
export function findQemu(launcher: number, { id, daemonizes }: RuntimePlan): number | 'not yet' | 'ended' {
  const isThere = readProc(`/proc/${launcher}/stat`) !== null
  if (!daemonizes) {
    if (!isThere) return 'ended'
    return carries(launcher, id) ? launcher : 'not yet'
  }
  if (isThere) return childrenOf(launcher).find((child) => carries(child, id)) ?? 'not yet'
  return listPids().find((pid) => carries(pid, id)) ?? 'ended'
}

function carries(pid: number, id: string): boolean {
  return readPlan(pid)?.id === id
}

/** Children of a process's main thread, which is the one that forks (proc(5), needs CONFIG_PROC_CHILDREN). */
function childrenOf(pid: number): number[] {
  const text = readProc(`/proc/${pid}/task/${pid}/children`) ?? ''
  return text.split(' ').filter(Boolean).map(Number)
}
