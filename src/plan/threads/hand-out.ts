import type { CpuChoice, Profile } from '../../config/policy.js'
import { hostSetMissing, noFreeCpus, type Pluggable } from '../../errors/threads.js'
import { type CpuSet, formatCpuSet, subtractCpuSets } from '../../units/cpu-set.js'
import { describeHolder, type HeldLease, holderOfCpus } from '../leases.js'
import { freeCpus, handOutCpus, type Supply } from './auto.js'
import { type CpuContext, chosenCpus, type NamedChoice, usableCpus } from './cpu-choice.js'

/** Whose CPUs are chosen, and the profile's key that says so. */
export interface Purpose {
  /** For messages: `vCPUs`, `I/O thread 'disk'`. */
  readonly what: string
  readonly key: readonly string[]
  /** Of vCPUs, when some of them can be plugged later. */
  readonly pluggable?: Pluggable | null
}

/** Gives out the host's realtime CPUs for `cpus = "auto"`, each once. */
export interface HandOut {
  /** @throws {UserError} exit 69 when there are too few, 78 without realtime CPUs under [host] */
  readonly take: (count: number, purpose: Purpose) => CpuSet
  /** All that were given so far. */
  readonly given: () => CpuSet
}

/**
 * @param named choices of the same profile that name their CPUs: these are not handed out besides
 * @param preferredNodes NUMA nodes, the best first
 */
export function makeHandOut(
  context: CpuContext,
  held: readonly HeldLease[],
  named: readonly NamedChoice[],
  preferredNodes: readonly number[],
): HandOut {
  const given: number[] = []
  const supply = (): Supply => {
    const own = [...given, ...named.flatMap((choice) => namedCpus(choice, context))]
    return {
      candidates: subtractCpuSets(usableCpus(context.policy.host.realtime ?? [], context.cpus), own),
      held: held.flatMap(({ cpus }) => cpus),
      topology: context.cpus ?? { siblings: {}, nodes: {} },
      preferredNodes,
    }
  }
  const take: HandOut['take'] = (count, { what, key, pluggable = null }) => {
    const { realtime } = context.policy.host
    const where = () => context.policy.place(['profile', context.profile, ...key, 'cpus'])
    if (realtime === null) throw hostSetMissing({ set: 'realtime', where: where() })
    const now = supply()
    const cpus = handOutCpus(count, now)
    if (cpus === null) {
      throw noFreeCpus({
        wanted: count,
        what,
        pluggable,
        realtime: formatCpuSet(realtime),
        free: formatCpuSet(sorted(freeCpus(now))),
        holders: holders(held, realtime),
        where: where(),
      })
    }
    given.push(...cpus)
    return cpus
  }
  return { take, given: () => sorted(given) }
}

/** The choices of a profile that name their CPUs. */
export function namedChoices({ vcpus, emulator, workers, vhost, threadContexts }: Profile): NamedChoice[] {
  const choices = [emulator?.cpus, workers?.cpus, vhost?.cpus, threadContexts?.cpus, vcpus?.cpus]
  return choices.filter((choice): choice is NamedChoice =>
    typeof choice === 'string' ? choice !== 'auto' : Array.isArray(choice),
  )
}

function namedCpus(choice: NamedChoice, { policy }: CpuContext): CpuSet {
  return typeof choice === 'string' ? (policy.host[choice] ?? []) : choice
}

function holders(held: readonly HeldLease[], realtime: CpuSet): string[] {
  return held.flatMap((lease) => {
    const found = holderOfCpus([lease], realtime)
    return found === null ? [] : [`${formatCpuSet(found.cpus)} held by ${describeHolder(lease)}`]
  })
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
    : chosenCpus(choice, [...purpose.key, 'cpus'], context)
}

/** CPUs in order, each once. */
export function sorted(cpus: CpuSet): CpuSet {
  return [...new Set(cpus)].sort((a, b) => a - b)
}
