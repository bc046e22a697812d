import type { CpuChoice, Policy } from '../../config/policy.js'
import { cpusNotAllowed, cpusOffline, hostSetMissing, unknownCpus } from '../../errors/threads.js'
import type { HostCpus } from '../../host/facts.js'
import { type CpuSet, formatCpuSet, intersectCpuSets, subtractCpuSets } from '../../units/cpu-set.js'
import { describeObstacles, type Obstacle, obstaclesTo, remediesFor } from './obstacles.js'

/** Where CPUs are looked up. */
export interface CpuContext {
  readonly policy: Policy
  /** null when the host is not known: then nothing is checked against it. */
  readonly cpus: HostCpus | null
  readonly profile: string
}

/** A choice that names its CPUs; `auto` is handed out instead. */
export type NamedChoice = Exclude<CpuChoice, 'auto'>

/**
 * The CPUs that a choice means on this host, within what the cgroup allows.
 * @param key of the profile, for messages: `['vcpus', 'cpus']`
 * @throws {UserError} exit 78 for CPUs that the host does not have or a set that [host] does not define, 69 for CPUs
 *   that are offline or that the cgroup's cpuset keeps from the VM
 */
export function chosenCpus(choice: NamedChoice, key: readonly string[], context: CpuContext): CpuSet {
  const { policy, cpus: host, profile } = context
  const where = () => policy.place(['profile', profile, ...key])
  const cpus = typeof choice === 'string' ? policy.host[choice] : choice
  if (cpus === null) throw hostSetMissing({ set: String(choice), where: where() })
  if (host === null) return cpus
  const absent = subtractCpuSets(cpus, host.present)
  if (absent.length > 0) {
    const present = formatCpuSet(host.present)
    throw unknownCpus({ cpus: formatCpuSet(absent), present, where: where() })
  }
  const offline = subtractCpuSets(cpus, host.online)
  // A set of [host] says what CPUs are for, whether they are there at the moment or not.
  if (offline.length > 0 && typeof choice !== 'string') {
    throw cpusOffline({ cpus: formatCpuSet(offline), where: where(), smt: host.smt })
  }
  const usable = usableCpus(cpus, host)
  if (usable.length > 0) return usable
  const obstacles = obstaclesTo(cpus, host)
  const [cause, ...more] = obstacles
  throw cpusNotAllowed({
    cpus: formatCpuSet(cpus),
    why: more.length === 0 ? (cause?.why ?? '') : describeObstacles(obstacles),
    remedies: remediesFor(obstacles),
    where: where(),
  })
}

/** What keeps CPUs of a choice from the VM, whoever holds them. */
export function obstaclesToChoice(choice: CpuChoice, { policy, cpus: host }: CpuContext): Obstacle[] {
  if (host === null || choice === 'auto') return []
  const cpus = typeof choice === 'string' ? (policy.host[choice] ?? []) : choice
  return obstaclesTo(subtractCpuSets(cpus, usableCpus(cpus, host)), host)
}

/** Those of some CPUs that are online and within the cgroup's cpuset. */
export function usableCpus(cpus: CpuSet, host: HostCpus | null): CpuSet {
  if (host === null) return cpus
  const online = intersectCpuSets(cpus, host.online)
  return host.cpuset === null ? online : intersectCpuSets(online, host.cpuset)
}
