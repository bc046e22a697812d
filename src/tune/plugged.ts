import type { Policy } from '../config/policy.js'
import { readHostFacts } from '../host/read.js'
import { profileNamed } from '../plan/ask.js'
import type { HeldLease } from '../plan/leases.js'
import { changedVcpus, planPlugged } from '../plan/threads/plugged.js'
import type { ThreadPlan } from '../plan/threads/thread-plan.js'
import { chooseBesideOthers } from '../record/leases/beside.js'
import { rewriteLease } from '../record/leases/rewrite.js'
import { withRootsLock } from '../record/root/lock.js'
import { readRootsRecords, writeRootsRecord } from '../record/root/records.js'
import type { VmRecord } from '../record/vm.js'
import type { CpuSet } from '../units/cpu-set.js'
import { type RecordedVm, readQemuThreads } from './processes.js'
import { vcpusAmong } from './running-vcpus.js'
import type { RunningQemu } from './targets.js'

/**
 * The plan of a VM's record, with vCPUs that were plugged since: a profile with `hotplug = "later"` gives them CPUs now, which
 * the record keeps from then on, and those of unplugged ones are let go.
 * @param policy read when vCPUs have come or gone
 * @param isDryRun writes nothing
 * @returns null for a VM without a plan for its threads
 * @throws {UserError} what `profileNamed` and `planPlugged` throw
 */
export async function planWithPlugged(
  { pid, record }: Pick<RunningQemu, 'pid' | 'record'>,
  policy: () => Promise<Policy>,
  isDryRun: boolean,
): Promise<ThreadPlan | null> {
  const { threads = null, profile = null } = record ?? {}
  if (record === null || threads === null || profile === null) return threads
  const running = readQemuThreads(pid, { kernels: 'none' }) ?? []
  const there = vcpusAmong(running)
  const kept = running.map(({ cpus }) => cpus)
  if (changedVcpus(record, there, kept) === null) return threads
  const choose = chooserFor(there, kept, profile, await policy())
  if (isDryRun) return chooseBesideOthers('/', (held) => choose(record, held)).threads
  return keep(record, choose)?.threads ?? null
}

type Choose = (record: VmRecord, held: readonly HeldLease[]) => VmRecord

function chooserFor(there: readonly number[], kept: readonly CpuSet[], name: string, policy: Policy): Choose {
  const profile = profileNamed(policy, name)
  const { cpus } = readHostFacts('/', { cpus: true, topology: true })
  return (record, held) => {
    const changed = changedVcpus(record, there, kept)
    const isOwn = (lease: HeldLease) => lease.record === record.id || lease.pid === record.process?.pid
    const others = held.filter((lease) => !isOwn(lease))
    const planned = changed && planPlugged({ record, changed, policy, profile, cpus, held: others })
    if (planned === null) return record
    const { threads, leased } = planned
    return { ...record, threads, lease: { nics: record.lease?.nics ?? [], cpus: leased } }
  }
}

/** Chooses beside what others hold and writes it down, with all of that locked, and after what somebody else has written. */
function keep({ word, ...record }: RecordedVm, choose: Choose): VmRecord {
  const latestOfRoots = () => readRootsRecords('/', () => {}).find(({ id }) => id === record.id)
  // What root has launched by hand has a lease, as any user's launch.
  if (word !== 0 || latestOfRoots() === undefined) return rewriteLease('/', record, choose)
  return withRootsLock('/', () => {
    const latest = latestOfRoots() ?? record
    const chosen = chooseBesideOthers('/', (held) => choose(latest, held))
    if (chosen !== latest) writeRootsRecord('/', chosen)
    return chosen
  })
}
