import pidusage from 'pidusage'
import { readProc } from '../host/proc.js'
import type { Usage } from './snapshot.js'

/** PIDs whose CPU time was read before: pidusage tells 0 % for one that it meets for the first time. */
const known = new Set<number>()

/**
 * Reads what processes take of the host. `forgetUsage` is for when it is not called again.
 * @param pids those that have ended meanwhile are left out of the result
 * @param intervalMs time until they are read again
 */
export async function readUsage(pids: readonly number[], intervalMs: number): Promise<Map<number, Usage>> {
  // It forgets the CPU time of a process that it was not asked for in this time.
  const maxage = 2 * intervalMs + 60_000
  // No list is an error to it, and so is one process that has ended.
  const stats =
    pids.length === 0 ? {} : await pidusage([...pids], { maxage }).catch(() => ({}) as Record<string, never>)
  const usage = new Map<number, Usage>()
  for (const pid of pids) {
    const stat = stats[pid]
    if (!stat) continue
    usage.set(pid, {
      cpuPercent: known.has(pid) ? stat.cpu : null,
      memory: stat.memory,
      hugePages: readHugePages(pid),
      uptimeSeconds: stat.elapsed / 1000,
    })
  }
  known.clear()
  for (const pid of usage.keys()) known.add(pid)
  return usage
}

/** Drops what pidusage remembers of processes, and the timer for it. */
export function forgetUsage(): void {
  known.clear()
  pidusage.clear()
}

function readHugePages(pid: number): number {
  const status = readProc(`/proc/${pid}/status`) ?? ''
  return Number(/^HugetlbPages:\s*(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024
}
