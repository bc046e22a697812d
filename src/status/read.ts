import type { HostPolicy } from '../config/policy.js'
import { readHostFacts } from '../host/read.js'
import { NEW_VM } from '../record/vm.js'
import { findRecorded, readQemuThreads } from '../tune/processes.js'
import { findUnrecorded } from '../tune/targets.js'
import { foundThreads } from './found.js'
import { makeInterruptReader } from './read-interrupts.js'
import type { Snapshot, VmSnapshot } from './snapshot.js'
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
 * Looks at the host's CPUs and at every VM that this user may see; one without a record is shown as it is.
 * @throws {UserError} exit 65 when the sysroot is no directory, 77 when this user may not read it
 */
export async function readSnapshot({ sysroot, sets, intervalMs }: Source): Promise<Snapshot> {
  const { cpus } = readHostFacts(sysroot, { cpus: true, topology: true })
  const recorded = sysroot === '/' ? findRecorded() : []
  const others = sysroot === '/' ? findUnrecorded(recorded) : []
  const pids = [...recorded.map(({ process }) => process.pid), ...others.map(({ pid }) => pid)]
  const usage = await readUsage(pids, intervalMs)
  const interruptsOf = makeInterruptReader()
  const at = performance.now()
  const vms = recorded.flatMap((plan) => {
    const { pid } = plan.process
    // Before Linux 6.4 looking for the kernel's vhost threads takes a file for each of its threads.
    const threads = readQemuThreads(pid, { kernels: plan.threads?.vhost ? 'vhost' : 'none' }) ?? []
    if (threads.length === 0) return []
    return [{ pid, plan, threads, usage: usage.get(pid) ?? null, interrupts: interruptsOf(pid, plan) }]
  })
  const unrecorded = others.flatMap(({ pid, guest, unnamed }): VmSnapshot[] => {
    const threads = readQemuThreads(pid, { kernels: 'none' }) ?? []
    if (threads.length === 0) return []
    const plan = { ...NEW_VM, id: `pid-${pid}`, guest: { name: guest, uuid: null }, word: null }
    return [
      {
        pid,
        plan,
        found: foundThreads(threads, unnamed, cpus?.online ?? null),
        threads,
        usage: usage.get(pid) ?? null,
        interrupts: interruptsOf(pid, null),
      },
    ]
  })
  return {
    time: new Date(),
    at,
    vms: [...vms, ...unrecorded],
    seesAll: process.geteuid?.() === 0,
    cpus,
    sets,
  }
}
