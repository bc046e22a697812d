import type { Policy } from '../../config/policy.js'
import type { HostCpus } from '../../host/facts.js'
import {
  type CpuSet,
  formatCpuSet,
  intersectCpuSets,
  subtractCpuSets,
  unionCpuSets,
} from '../../units/cpu-set.js'
import { describeHolder, type HeldLease } from '../leases.js'
import { isRealtime, type ThreadPlan, type VcpuSetting } from './thread-plan.js'

/** Whose cores a VM's threads are on. */
interface Cores {
  readonly threads: ThreadPlan
  /** Threads of a core that the guest sees. */
  readonly guestThreads: number
  readonly sets: Policy['host']
  readonly cpus: HostCpus
  readonly held: readonly HeldLease[]
}

/** Warns of cores that real-time vCPUs share, and of cores that are not what the guest takes them for. */
export function coreWarnings(cores: Cores): string[] {
  return [...sharedCores(cores), ...guestCores(cores), ...mixedKinds(cores)]
}

function sharedCores({ threads, sets, cpus, held }: Cores): string[] {
  const realtime = cpusOf(threads.vcpus.filter(isRealtime))
  const others: (readonly [whose: string, cpus: CpuSet])[] = [
    ['housekeeping CPU', sets.housekeeping ?? []],
    ['switch CPU', sets.switch ?? []],
    ...otherThreads(threads),
    ...held.map((lease) => [`what ${describeHolder(lease)} holds, CPU`, lease.cpus] as const),
  ]
  return others.flatMap(([whose, all], index) => {
    // A CPU is told of once: emulator threads are on housekeeping CPUs.
    const theirs = subtractCpuSets(
      all,
      others.slice(0, index).flatMap(([, told]) => told),
    )
    const siblings = (cpu: number) => subtractCpuSets(cpus.siblings[cpu] ?? [], [cpu])
    const near = realtime.filter((cpu) => intersectCpuSets(siblings(cpu), theirs).length > 0)
    if (near.length === 0) return []
    const far = unionCpuSets(near.flatMap((cpu) => intersectCpuSets(siblings(cpu), theirs)))
    const core = near.length === 1 ? 'shares its core' : 'share their cores'
    return [
      `CPU ${formatCpuSet(near)} of real-time vCPUs ${core} with ${whose} ${formatCpuSet(far)}: ` +
        'what runs there slows them down (SMT siblings); choose CPUs of cores that nothing else uses',
    ]
  })
}

function otherThreads({ emulator, iothreads, workers, vhost }: ThreadPlan): (readonly [string, CpuSet])[] {
  return [
    ['emulator threads on CPU', emulator?.cpus ?? []],
    ['I/O threads on CPU', unionCpuSets(iothreads.flatMap(({ cpus }) => cpus ?? []))],
    ['worker threads on CPU', workers?.cpus ?? []],
    ['vhost threads on CPU', vhost?.cpus ?? []],
  ]
}

/** Threads of a core share its caches, and the guest's scheduler counts on it. */
function guestCores({ threads: { vcpus }, guestThreads, cpus }: Cores): string[] {
  if (guestThreads < 2) return []
  const apart = Array.from({ length: Math.ceil(vcpus.length / guestThreads) }, (_, core) =>
    vcpus.slice(core * guestThreads, (core + 1) * guestThreads),
  ).find((siblings) => {
    const [first = [], ...rest] = siblings.map((vcpu) => vcpu.cpus ?? [])
    const core = cpus.siblings[first[0] ?? -1]
    return core !== undefined && rest.some((own) => own.length > 0 && subtractCpuSets(own, core).length > 0)
  })
  if (apart === undefined) return []
  const names = apart.map(({ vcpu }) => vcpu)
  return [
    `vCPU ${formatCpuSet(names)} are threads of one core to the guest, and CPU ${formatCpuSet(cpusOf(apart))} of the host ` +
      'are not SMT siblings: give them siblings, in the order of the vCPUs, or the guest threads=1 (-smp)',
  ]
}

function mixedKinds({ threads: { vcpus }, cpus }: Cores): string[] {
  const own = cpusOf(vcpus)
  const kinds = (cpus.coreKinds ?? [])
    .map((kind) => intersectCpuSets(own, kind))
    .filter(({ length }) => length > 0)
  if (kinds.length < 2) return []
  return [
    `vCPUs are on cores of different kinds (CPU ${kinds.map(formatCpuSet).join('; CPU ')}): the guest takes them for ` +
      'equally fast; choose CPUs of one kind',
  ]
}

function cpusOf(vcpus: readonly VcpuSetting[]): CpuSet {
  return unionCpuSets(vcpus.flatMap(({ cpus }) => cpus ?? []))
}
