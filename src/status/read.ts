import type { HostPolicy } from '../config/policy.js'
import { readHostFacts } from '../host/read.js'
import { findRecorded, readQemuThreads } from '../tune/processes.js'
import type { Snapshot } from './snapshot.js'
import { readUsage } from './usage.js'

/** Where a snapshot is taken. */
export interface Source {
  /** `/`, or a directory with a captured host, which has CPUs but no VMs. */
  readonly sysroot: string
  readonly sets: HostPolicy
  /** Time until the next snapshot, in milliseconds. */
  readonly intervalMs: number
}

/**
 * Looks at the host's CPUs and at every VM with a record that this user may see.
 * @throws {UserError} exit 65 when the sysroot is no directory, 77 when this user may not read it
 */
export async function readSnapshot({ sysroot, sets, intervalMs }: Source): Promise<Snapshot> {
  const { cpus } = readHostFacts(sysroot, { cpus: true, topology: true })
  const recorded = sysroot === '/' ? findRecorded() : []
  const usage = await readUsage(
    recorded.map(({ process }) => process.pid),
    intervalMs,
  )
  const at = performance.now()
  const vms = recorded.flatMap((plan) => {
    const { pid } = plan.process
    // Before Linux 6.4 looking for the kernel's vhost threads takes a file for each of its threads.
    const threads = readQemuThreads(pid, { kernels: plan.threads?.vhost ? 'vhost' : 'none' }) ?? []
    return threads.length === 0 ? [] : [{ pid, plan, threads, usage: usage.get(pid) ?? null }]
  })
  return { time: new Date(), at, vms, seesAll: process.geteuid?.() === 0, cpus, sets }
}
