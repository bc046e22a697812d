import type { CpuChoice, Profile, ThreadProfile } from '../../config/policy.js'
import { hostSetMissing, noFreeCpus, type Pluggable } from '../../errors/threads.js'
import { type CpuSet, formatCpuSet, subtractCpuSets, unionCpuSets } from '../../units/cpu-set.js'
import type { HeldLease } from '../leases.js'
import { freeCpus, handOutCpus, type Supply } from './auto.js'
import { type CpuContext, chosenCpus, type NamedChoice, usableCpus } from './cpu-choice.js'
import { describeObstacles, obstaclesTo, remediesFor } from './obstacles.js'

/** Whose CPUs are chosen, and the profile's key that says so. */
export interface Purpose {
  /** For messages: `vCPUs`, `I/O thread 'disk'`. */
  readonly what: string
  readonly key: readonly string[]
  /** Of vCPUs, when some of them can be plugged later. */
  readonly pluggable?: Pluggable | null
}

/** How CPUs are to be chosen. */
export interface Wish {
  /** NUMA nodes, the best first. */
  readonly nodes: readonly number[]
  /** Whether each CPU is to have a core of its own, whose other CPUs nobody gets. */
  readonly isolatesCores: boolean
  /** Whether isolated CPUs go before others. */
  readonly prefersIsolated: boolean
}

/** Gives out the host's realtime CPUs for `cpus = "auto"`, each once. */
export interface HandOut {
  /** @throws {UserError} exit 69 when there are too few, 78 without realtime CPUs under [host] */
  readonly take: (count: number, purpose: Purpose, wish?: Wish) => CpuSet
  /** All that were given so far. */
  readonly given: () => CpuSet
}

/**
 * @param named choices of the same profile that name their CPUs: these are not handed out besides
 * @param preferredNodes NUMA nodes for threads that have no wish of their own, the best first
 */
export function makeHandOut(
  context: CpuContext,
  held: readonly HeldLease[],
  named: readonly NamedChoice[],
  preferredNodes: readonly number[],
): HandOut {
  const given: number[] = []
  const own = () => [...given, ...named.flatMap((choice) => namedCpus(choice, context))]
  const supply = ({ nodes, isolatesCores, prefersIsolated }: Wish): Supply => ({
    candidates: subtractCpuSets(usableCpus(context.policy.host.realtime ?? [], context.cpus), own()),
    held: held.flatMap(({ cpus }) => cpus),
    topology: context.cpus ?? { siblings: {}, nodes: {} },
    preferredNodes: nodes,
    isolatesCores,
    isolated: prefersIsolated ? (context.cpus?.isolated ?? []) : [],
  })
  const noWish = { nodes: preferredNodes, isolatesCores: false, prefersIsolated: false }
  const take: HandOut['take'] = (count, purpose, wish = noWish) => {
    const { realtime } = context.policy.host
    const where = () => context.policy.place(['profile', context.profile, ...purpose.key, 'cpus'])
    if (realtime === null) throw hostSetMissing({ set: 'realtime', where: where() })
    const now = supply(wish)
    const cpus = handOutCpus(count, now)
    if (cpus === null) {
      const free = freeCpus(now)
      throw noFreeCpus({
        wanted: count,
        what: purpose.what,
        pluggable: purpose.pluggable ?? null,
        realtime: formatCpuSet(realtime),
        where: where(),
        ...shortage(count, realtime, free, { context, held, own: own(), wish }),
      })
    }
    // Siblings that are to stay empty are nobody else's, either.
    given.push(...(wish.isolatesCores ? cpus.flatMap((cpu) => now.topology.siblings[cpu] ?? [cpu]) : cpus))
    return cpus
  }
  return { take, given: () => unionCpuSets(given) }
}

/** Why the realtime CPUs are not enough, for the error. */
function shortage(
  count: number,
  realtime: CpuSet,
  free: CpuSet,
  around: {
    readonly context: CpuContext
    readonly held: readonly HeldLease[]
    readonly own: CpuSet
    readonly wish: Wish
  },
) {
  const { held, own, wish } = around
  const host = around.context.cpus ?? { online: realtime, cpuset: null }
  const obstacles = obstaclesTo(subtractCpuSets(realtime, free), {
    ...host,
    held,
    own,
    isolatesCores: wish.isolatesCores,
  })
  const blocked = obstacles.filter(({ kind }) => kind === 'held' || kind === 'sibling')
  const because = wish.isolatesCores
    ? 'threads = "isolate" takes one CPU of each core that is free as a whole'
    : 'they are of different kinds of cores, which are not mixed'
  return {
    free: formatCpuSet(unionCpuSets(free)),
    obstacles: describeObstacles(obstacles),
    areHeld: obstacles.every(({ kind }) => kind === 'held' || kind === 'sibling'),
    remedies: remediesFor(obstacles),
    because: wish.isolatesCores || free.length >= count ? because : null,
    mayPass:
      free.length + blocked.reduce((sum, { cpus }) => sum + cpus.length, 0) >= count && blocked.length > 0,
  }
}

/** The choices of a profile that name their CPUs. */
export function namedChoices(profile: Profile): NamedChoice[] {
  const { vcpus, emulator, iothreads, workers, vhost, threadContexts } = profile
  const ofIothreads =
    iothreads === null ? [] : isThreadProfile(iothreads) ? [iothreads] : Object.values(iothreads)
  return [emulator, ...ofIothreads, workers, vhost, threadContexts, vcpus].flatMap((kind) => {
    const choice = kind?.cpus ?? 'auto'
    if (choice === 'auto') return []
    return typeof choice === 'string' || isCpuSet(choice) ? [choice] : Object.values(choice)
  })
}

/** Whether a choice is for all threads of a kind, and not one for each vCPU. */
function isCpuSet(choice: CpuSet | Readonly<Record<number, CpuSet>>): choice is CpuSet {
  return Array.isArray(choice)
}

/** Whether it is of all I/O threads, and not by their ids. */
export function isThreadProfile(profile: NonNullable<Profile['iothreads']>): profile is ThreadProfile {
  return 'cpus' in profile
}

function namedCpus(choice: NamedChoice, { policy }: CpuContext): CpuSet {
  return typeof choice === 'string' ? (policy.host[choice] ?? []) : choice
}

/** The CPUs of one kind of thread: handed out, or as they are named. */
export function cpusFor(
  choice: CpuChoice,
  count: number,
  purpose: Purpose,
  context: CpuContext,
  handOut: HandOut,
): CpuSet {
  return choice === 'auto'
    ? handOut.take(count, purpose)
    : unionCpuSets(chosenCpus(choice, [...purpose.key, 'cpus'], context))
}
