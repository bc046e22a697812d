import type { Policy } from '../config/policy.js'
import { UserError } from '../errors/user-error.js'
import { readHostFacts } from '../host/read.js'
import { chooseProfile } from '../plan/domain.js'
import type { HeldLease } from '../plan/leases.js'
import { planThreads } from '../plan/threads/plan-threads.js'
import type { ThreadPlan } from '../plan/threads/thread-plan.js'
import { hold } from '../record/leases/hold.js'
import { readLeases, startOf } from '../record/leases/read.js'
import { launchId } from '../record/leases/reserve.js'
import { type CpuSet, subtractCpuSets } from '../units/cpu-set.js'
import type { RunningQemu } from './targets.js'

/**
 * Plans the threads of a QEMU that runs by a profile of the configuration. CPUs that it hands out, or gives to real-time
 * vCPUs, are leased for as long as this QEMU lives.
 * @param isDryRun takes no lease
 * @returns null when the profile places none
 * @throws {UserError} what `chooseProfile`, `planThreads` and `hold` throw
 */
export async function planFromProfile(
  { pid, line, guest, plan }: RunningQemu,
  { name, policy }: { readonly name: string; readonly policy: Policy },
  isDryRun: boolean,
): Promise<ThreadPlan | null> {
  const host = readHostFacts('/', { cpus: true, topology: true })
  const profile = chooseProfile(policy, name, null)
  if (profile === null) return null
  const isOwn = (lease: HeldLease) =>
    lease.pid === pid || (lease.pid === 0 && String(lease.cpus) === String(plan?.lease?.cpus))
  const choose = (held: readonly HeldLease[]) => {
    const others = held.filter((lease) => !isOwn(lease))
    const own = held.filter(isOwn).flatMap((lease) => lease.cpus)
    const planned = planKeeping(own, host.cpus?.present ?? [], (away) =>
      planThreads({ line, policy, host, profile, nics: [], held: [...others, ...away] }),
    )
    const leased = planned?.leased ?? []
    const cpus = leased.every((cpu) => own.includes(cpu)) ? [] : leased
    return {
      threads: planned?.threads ?? null,
      lease: cpus.length === 0 ? null : { nics: [], cpus },
      daemonizes: false,
    }
  }
  if (isDryRun) return choose(readLeases('/', 'check').held).threads
  const startTicks = startOf(pid) ?? 0
  const holder = { id: launchId(pid, startTicks), guest, launcher: { pid, startTicks } }
  return hold('/', holder, choose).chosen.threads
}

/**
 * Plans with the CPUs that a VM has already, rather than with others that have become free meanwhile; with any when these
 * will not do.
 * @param plan given what is to be kept away from besides
 */
function planKeeping<T>(own: CpuSet, present: CpuSet, plan: (away: readonly HeldLease[]) => T): T {
  if (own.length === 0) return plan([])
  try {
    return plan([{ guest: null, pid: 0, nics: [], cpus: subtractCpuSets(present, own) }])
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    return plan([])
  }
}
