import type { CommandLine } from '../argv/command-line.js'
import { undoInterrupts } from '../change/interrupts.js'
import type { Policy } from '../config/policy.js'
import { argumentsNotRead } from '../errors/tune.js'
import { UserError } from '../errors/user-error.js'
import { readMemoryNodes } from '../host/hugepages.js'
import { readPciFunction } from '../host/pci.js'
import { pidNamespace } from '../host/process.js'
import { readHostFacts } from '../host/read.js'
import { openSysroot } from '../host/sysroot.js'
import { profileNamed } from '../plan/ask.js'
import type { HeldLease, Lease } from '../plan/leases.js'
import { type VfioDevice, vfioDevices } from '../plan/nics/requests.js'
import { planThreads } from '../plan/threads/plan-threads.js'
import { nearbyDevices } from '../plan/threads/preferred-nodes.js'
import { recordedVcpus } from '../plan/threads/smp.js'
import type { ThreadPlan } from '../plan/threads/thread-plan.js'
import { chooseBesideOthers } from '../record/leases/beside.js'
import { hold } from '../record/leases/hold.js'
import { launchId } from '../record/process-id.js'
import { withRootsLock } from '../record/root/lock.js'
import {
  isOver,
  processRecordId,
  readRootsRecords,
  removeRootsRecord,
  writeRootsRecord,
} from '../record/root/records.js'
import { NEW_VM, type VmRecord } from '../record/vm.js'
import { type CpuSet, subtractCpuSets } from '../units/cpu-set.js'
import { unbanAfter } from './bans.js'
import { runningVcpus } from './running-vcpus.js'
import { checkSame, type RunningQemu } from './targets.js'

const HOST = openSysroot('/')

/** A profile of the configuration, by name. */
export interface NamedProfile {
  readonly name: string
  readonly policy: Policy
}

/**
 * Plans the threads of a QEMU that runs by a profile of the configuration. CPUs that it hands out, or gives to real-time
 * vCPUs, are kept for as long as this QEMU lives: in root's record of the VM by root, else by a lease of this user's.
 * @param isDryRun writes nothing
 * @returns null when the profile places none
 * @throws {UserError} what `profileNamed`, `planThreads` and `hold` throw; exit 69 when QEMU's arguments cannot be read
 */
export async function planFromProfile(
  target: RunningQemu,
  named: NamedProfile,
  isDryRun: boolean,
): Promise<ThreadPlan | null> {
  const qemu = readable(target)
  const choose = chooserFor(qemu, named)
  if (isDryRun) return chooseBesideOthers('/', choose).threads
  if (process.geteuid?.() !== 0) return holdAsUser(qemu, named, choose)
  // What irqbalance does not take is no reason against this VM's threads, and is said when its interrupts are set.
  await unbanAfter('/', () => withRootsLock('/', putBackEnded))
  return holdAsRoot(qemu, named, choose)
}

/** A QEMU whose arguments can be read: they say how many vCPUs and which I/O threads are to be planned. */
type ReadableQemu = RunningQemu & { readonly line: CommandLine }

function readable(target: RunningQemu): ReadableQemu {
  const { line } = target
  if (line === null) throw argumentsNotRead(target)
  return { ...target, line }
}

/** Takes away the records of VMs that have ended and left no device to give back: those that libvirt's hook does not release. */
function putBackEnded(): VmRecord[] {
  const ended = readRootsRecords('/', () => {}).filter(isOver)
  for (const record of ended) {
    for (const taken of record.undo) undoInterrupts(HOST, taken)
    removeRootsRecord('/', record)
  }
  return ended
}

interface Choice {
  readonly threads: ThreadPlan | null
  /** CPUs that no other VM may have. */
  readonly leased: CpuSet
  /** The same; null when this VM has all of it already. */
  readonly lease: Lease | null
  readonly isStrict: boolean
}

type Choose = (held: readonly HeldLease[]) => Choice

function chooserFor({ pid, line, record }: ReadableQemu, { name, policy }: NamedProfile): Choose {
  const facts = readHostFacts('/', { cpus: true, topology: true })
  const host = { ...facts, memoryNodes: readMemoryNodes(HOST, pid) }
  const profile = profileNamed(policy, name)
  const running = runningVcpus(pid)
  const devices = profile.settings.vcpus === null ? [] : devicesOf(line, record)
  const near = nearbyDevices([], devices, (address) => readPciFunction(HOST, address)?.numaNode ?? null)
  const isOwn = (lease: HeldLease) =>
    lease.pid === pid || (lease.pid === 0 && String(lease.cpus) === String(record?.lease?.cpus))
  return (held) => {
    const others = held.filter((lease) => !isOwn(lease))
    const own = held.filter(isOwn).flatMap((lease) => lease.cpus)
    const planned = planKeeping(own, host.cpus?.present ?? [], (away) =>
      planThreads({ line, policy, host, profile, running, nics: near, held: [...others, ...away] }),
    )
    const leased = planned?.leased ?? []
    const cpus = leased.every((cpu) => own.includes(cpu)) ? [] : leased
    return {
      threads: planned?.threads ?? null,
      leased,
      lease: cpus.length === 0 ? null : { nics: [], cpus },
      isStrict: profile.settings.strict,
    }
  }
}

/** By the command line, and by the record where libvirt has passed them open. */
function devicesOf(line: CommandLine, record: VmRecord | null): Pick<VfioDevice, 'id' | 'address'>[] {
  const recorded = record?.lease?.nics ?? []
  return [...vfioDevices(line), ...recorded.map((address) => ({ id: null, address }))]
}

/** In root's record of the VM, which it has from now on if it had none: the CPUs that it had are free then. */
function holdAsRoot(target: ReadableQemu, { name }: NamedProfile, choose: Choose): ThreadPlan | null {
  return withRootsLock('/', () => {
    const { threads, leased, isStrict } = chooseBesideOthers('/', choose)
    const fresh = recordFor(target, threads)
    const known = target.record ?? fresh
    writeRootsRecord('/', {
      ...known,
      profile: name,
      strict: isStrict,
      threads,
      maxcpus: fresh.maxcpus,
      lease: { nics: known.lease?.nics ?? [], cpus: leased },
    })
    return threads
  })
}

/** @throws {UserError} exit 69 when the target has ended: its number may be another process's, to which nothing is given */
function recordFor(target: ReadableQemu, threads: ThreadPlan | null): VmRecord {
  checkSame(target)
  const { pid, startTicks, line, guest } = target
  const process = { pid, startTicks, namespace: pidNamespace() }
  return {
    ...NEW_VM,
    id: processRecordId(process),
    guest: { name: guest, uuid: null },
    ...recordedVcpus(line, threads),
    process,
  }
}

function holdAsUser(target: ReadableQemu, { name }: NamedProfile, choose: Choose): ThreadPlan | null {
  const { chosen } = hold('/', choose([]), choose, ({ threads, lease, isStrict }) =>
    lease === null
      ? null
      : {
          ...recordFor(target, threads),
          id: launchId(target),
          profile: name,
          strict: isStrict,
          threads,
          lease,
        },
  )
  return chosen.threads
}

/**
 * Plans with the CPUs that a VM has already, rather than with others that have become free meanwhile; with any when these
 * will not do.
 * @param plan given what is to be kept away from besides
 */
function planKeeping<T>(own: CpuSet, present: CpuSet, plan: (away: readonly HeldLease[]) => T): T {
  if (own.length === 0) return plan([])
  try {
    return plan([{ guest: null, pid: 0, nics: [], cpus: subtractCpuSets(present, own), isWish: true }])
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    return plan([])
  }
}
