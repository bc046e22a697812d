import { pidNamespace, startOf } from '../host/process.js'
import type { ProcessId } from './vm.js'

/** A process that runs, as a record names it. */
export function processId(pid: number): ProcessId {
  return { pid, startTicks: startOf(pid) ?? 0, namespace: pidNamespace() }
}

/** An id that no other launch of this host has. */
export function launchId({ pid, startTicks }: Pick<ProcessId, 'pid' | 'startTicks'>): string {
  return `${pid}-${startTicks}-${Math.random().toString(36).slice(2, 10).padEnd(8, '0')}`
}
