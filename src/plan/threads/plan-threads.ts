import type { CommandLine } from '../../argv/command-line.js'
import type { Profile, ThreadProfile } from '../../config/policy.js'
import { noEmulatorCpus } from '../../errors/threads.js'
import type { HostCpus } from '../../host/facts.js'
import {
  type CpuSet,
  formatCpuSet,
  intersectCpuSets,
  subtractCpuSets,
  unionCpuSets,
} from '../../units/cpu-set.js'
import { cpusOfVms, type HeldLease, type Lease } from '../leases.js'
import type { PassInput, PlannedNic } from '../pass.js'
import { checkConflicts, checkHeld, checkOthersHeld } from './conflicts.js'
import { type CpuContext, usableCpus } from './cpu-choice.js'
import { guestNodes } from './guest-nodes.js'
import {
  cpusFor,
  type HandOut,
  isThreadProfile,
  makeHandOut,
  namedChoices,
  type Purpose,
} from './hand-out.js'
import { describeObstacles, obstaclesTo, remediesFor } from './obstacles.js'
import { preferredNodes } from './preferred-nodes.js'
import { countVcpus } from './smp.js'
import { threadObjects, unnamedObjects } from './thread-objects.js'
import { type IothreadSetting, isRealtime, type ThreadPlan, type ThreadSetting } from './thread-plan.js'
import { planVcpus, type VcpuGroup, vcpusToPlan } from './vcpus.js'

/** What a thread plan is made from. */
export interface ThreadInput extends Pick<PassInput, 'line' | 'policy' | 'host'> {
  readonly profile: NonNullable<PassInput['profile']>
  readonly nics: readonly PlannedNic[]
  /** Numbers of the vCPUs that are there, or with which libvirt starts the VM; none or absent for the first ones. */
  readonly running?: readonly number[]
  /** What other VMs hold. */
  readonly held: readonly HeldLease[]
  /** CPUs that libvirt gives to emulator threads; null or absent when it is not known, or gives them all. */
  readonly emulatorPin?: CpuSet | null | undefined
}

export interface PlannedThreads {
  readonly threads: ThreadPlan
  /** CPUs that no other VM may have: those handed out, and those of real-time vCPUs. */
  readonly leased: CpuSet
  /** CPUs to start QEMU on; null when vCPU threads, which inherit them, are not placed afterwards. */
  readonly affinity: CpuSet | null
}

/** Whether a profile says anything of threads. */
export function placesThreads(profile: Profile): boolean {
  const { vcpus, emulator, iothreads, workers, vhost, threadContexts } = profile
  return [vcpus, emulator, iothreads, workers, vhost, threadContexts].some((kind) => kind !== null)
}

/**
 * Says which CPUs and policy each thread of a VM gets.
 * @returns null when the profile says nothing of threads
 * @throws {UserError} exit 69 when this host cannot give what the profile asks for, 78 when it asks for what must not be
 */
export function planThreads(input: ThreadInput): PlannedThreads | null {
  const { settings, name } = input.profile
  if (!placesThreads(settings)) return null
  const context = { policy: input.policy, cpus: input.host.cpus, profile: name }
  const groups = vcpuGroups(input)
  const nodes = groups.flatMap((group) => group.nodes)
  const handOut = makeHandOut(context, input.held, namedChoices(settings), nodes)
  const threads = settle(placeAll(input, context, handOut, groups), {
    ...context,
    emulatorPin: emulatorPinOf(input),
    held: input.held,
  })
  checkConflicts(threads, context)
  const realtime = threads.vcpus.filter(isRealtime).flatMap(({ cpus }) => cpus ?? [])
  checkHeld(realtime, input.held, context)
  checkOthersHeld(threads, input.held, context)
  return { threads, leased: unionCpuSets([...realtime, ...handOut.given()]), affinity: affinityOf(threads) }
}

/** libvirt's `<emulatorpin>`, or its cpuset where this process is in it already. */
function emulatorPinOf({ emulatorPin, host }: ThreadInput): CpuSet | null {
  if (emulatorPin != null) return emulatorPin
  const { startCpuset = null, cpuset = null, online = [] } = host.cpus ?? {}
  const isNarrower = startCpuset !== null && subtractCpuSets(cpuset ?? online, startCpuset).length > 0
  return isNarrower ? startCpuset : null
}

/** What was decided for a VM before, as if it had been planned now. QEMU starts within what the cgroup leaves it. */
export function decidedThreads(
  { threads, lease }: { readonly threads: ThreadPlan | null; readonly lease: Lease | null },
  cpus: HostCpus | null,
): PlannedThreads | null {
  if (threads === null) return null
  const affinity = usableCpus(affinityOf(threads) ?? [], cpus)
  return { threads, leased: lease?.cpus ?? [], affinity: affinity.length === 0 ? null : affinity }
}

function affinityOf({ vcpus, emulator }: ThreadPlan): CpuSet | null {
  const arePlaced = vcpus.length > 0 && vcpus.every(({ cpus }) => cpus !== null)
  return arePlaced ? (emulator?.cpus ?? null) : null
}

function vcpuGroups({ line, nics, host }: ThreadInput): VcpuGroup[] {
  const guest = guestNodes(line, countVcpus(line))
  const nodes = preferredNodes(guest, nics, host)
  const groups = guest.map(({ id, vcpus }, index) => ({ id, vcpus, nodes: nodes[index] ?? [] }))
  // Those whose memory is somewhere choose before those that may be anywhere.
  return groups.sort((a, b) => Number(a.nodes.length === 0) - Number(b.nodes.length === 0))
}

function placeAll(
  { profile, line, running }: ThreadInput,
  context: CpuContext,
  handOut: HandOut,
  groups: readonly VcpuGroup[],
): ThreadPlan {
  const { vcpus, emulator, iothreads, workers, vhost, threadContexts } = profile.settings
  const place = (thread: ThreadProfile | null, what: string, key: readonly string[]) =>
    thread === null ? null : setting(thread, { what, key }, context, handOut)
  const contexts = place(threadContexts, 'thread contexts', ['thread-contexts'])
  const unnamed = unnamedObjects(line)
  return {
    vcpus:
      vcpus === null
        ? []
        : planVcpus(vcpus, vcpusToPlan(vcpus, countVcpus(line), running), context, handOut, groups),
    iothreads: planIothreads(iothreads, line, context, handOut),
    emulator: place(emulator, 'emulator threads', ['emulator']),
    workers: place(workers, 'worker threads', ['workers']),
    vhost: place(vhost, 'vhost threads', ['vhost']),
    ...(contexts === null ? {} : { contexts }),
    ...(unnamed.length === 0 ? {} : { unnamed }),
  }
}

function setting(
  { cpus, policy, priority }: ThreadProfile,
  purpose: Purpose,
  context: CpuContext,
  handOut: HandOut,
): ThreadSetting {
  return { cpus: cpus === null ? null : cpusFor(cpus, 1, purpose, context, handOut), policy, priority }
}

function planIothreads(
  profile: Profile['iothreads'],
  line: CommandLine,
  context: CpuContext,
  handOut: HandOut,
): IothreadSetting[] {
  if (profile === null) return []
  return iothreadIds(line).flatMap((id) => {
    const isForAll = isThreadProfile(profile)
    const thread = isForAll ? profile : profile[id]
    const key = isForAll ? ['iothreads'] : ['iothreads', id]
    const purpose = { what: `I/O thread '${id}'`, key }
    return thread === undefined ? [] : [{ id, ...setting(thread, purpose, context, handOut) }]
  })
}

/** Ids of the command line's I/O threads, in their order. */
export function iothreadIds(line: CommandLine): string[] {
  return threadObjects(line).flatMap(({ type, id }) => (type === 'iothread' ? [id] : []))
}

/** Where emulator threads without CPUs in the profile may go. */
interface EmulatorContext extends CpuContext {
  readonly emulatorPin: CpuSet | null
  readonly held: readonly HeldLease[]
}

/**
 * Gives emulator threads CPUs when the profile does not but places vCPUs: those that libvirt gives them, where they may
 * stay there, else the housekeeping CPUs, else whatever is not spoken for; and none that another VM holds. I/O, worker and
 * vhost threads with a policy alone run where emulator threads do.
 */
function settle(threads: ThreadPlan, context: EmulatorContext): ThreadPlan {
  const emulator = settleEmulator(threads, context)
  const follow = <T extends ThreadSetting>(one: T): T => ({
    ...one,
    cpus: one.cpus ?? emulator?.cpus ?? null,
  })
  return {
    ...threads,
    emulator,
    iothreads: threads.iothreads.map(follow),
    workers: threads.workers === null ? null : follow(threads.workers),
  }
}

function settleEmulator({ vcpus, emulator }: ThreadPlan, context: EmulatorContext): ThreadSetting | null {
  const { host } = context.policy
  const { held } = context
  const placed = vcpus.flatMap(({ cpus }) => cpus ?? [])
  if (placed.length === 0 || (emulator?.cpus ?? null) !== null) return emulator
  const ofOthers = cpusOfVms(held)
  const free = (cpus: CpuSet) => subtractCpuSets(usableCpus(cpus, context.cpus), ofOthers)
  const pinned = free(context.emulatorPin ?? [])
  if (pinned.length > 0 && mayBe(pinned, vcpus, context)) {
    return { policy: null, priority: null, ...emulator, cpus: pinned }
  }
  const unused = subtractCpuSets(context.cpus?.online ?? [], [
    ...(host.realtime ?? []),
    ...(host.switch ?? []),
    ...placed,
  ])
  const wanted = host.housekeeping ?? unused
  const cpus = free(wanted)
  if (cpus.length > 0) return { policy: null, priority: null, ...emulator, cpus }
  const isNeeded = vcpus.some(isRealtime)
  if (!isNeeded) return emulator
  const where = context.policy.place(['profile', context.profile, 'vcpus'])
  const { housekeeping } = host
  const obstacles = obstaclesTo(wanted, { ...(context.cpus ?? { online: wanted, cpuset: null }), held })
  throw noEmulatorCpus({
    cpus: formatCpuSet(unionCpuSets(placed)),
    housekeeping: housekeeping && formatCpuSet(housekeeping),
    obstacles: describeObstacles(obstacles),
    remedies: remediesFor(obstacles),
    mayPass: obstacles.some(({ kind }) => kind === 'held'),
    where,
  })
}

/** Whether emulator threads may stay where libvirt has them: not beside a real-time vCPU, and not on a switch CPU. */
function mayBe(cpus: CpuSet, vcpus: ThreadPlan['vcpus'], { policy }: CpuContext): boolean {
  const others = [
    ...vcpus.filter(isRealtime).flatMap((vcpu) => vcpu.cpus ?? []),
    ...(policy.host.switch ?? []),
  ]
  return intersectCpuSets(cpus, others).length === 0
}
