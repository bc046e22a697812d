import { OFFLINE_BY_SMT, SMT_ON } from '../../errors/threads.js'
import type { CpuPartition } from '../../host/facts.js'
import { type CpuSet, formatCpuSet, intersectCpuSets, subtractCpuSets } from '../../units/cpu-set.js'
import type { SmtOff } from '../../units/smt.js'
import { describeHolder, type HeldLease } from '../leases.js'

/** How CPUs are offline: one by one, or by SMT, see `HostCpus.smt`. */
type Offline = 'offline' | `smt-${SmtOff}`

/** What keeps CPUs from a VM. */
export interface Obstacle {
  readonly kind: Offline | 'partition' | 'cpuset' | 'held' | 'sibling' | 'own' | 'core'
  readonly cpus: CpuSet
  /** Goes on after the CPUs: `offline`, `held by guest 'plc-1' (PID 4711)`. */
  readonly why: string
}

/** Where CPUs are wanted. */
export interface Surroundings {
  readonly online: CpuSet
  readonly smt?: SmtOff
  readonly cpuset: CpuSet | null
  readonly partitions?: readonly CpuPartition[]
  readonly isolatedByGroups?: CpuSet
  readonly siblings?: Readonly<Record<number, CpuSet>>
  readonly held?: readonly HeldLease[]
  /** CPUs that other threads of the same VM have. */
  readonly own?: CpuSet
  /** Whether a core gives one CPU only, and only when all of it may be had. */
  readonly isolatesCores?: boolean
}

/** Says of each CPU that cannot be had why, in the order of what has to be mended first. */
export function obstaclesTo(cpus: CpuSet, around: Surroundings): Obstacle[] {
  const {
    online,
    smt,
    cpuset,
    partitions = [],
    isolatedByGroups = [],
    siblings = {},
    held = [],
    own = [],
    isolatesCores = false,
  } = around
  const found: Obstacle[] = []
  let left = cpus
  const add = (kind: Obstacle['kind'], which: CpuSet, why: string) => {
    const cpus = intersectCpuSets(left, which)
    if (cpus.length > 0) found.push({ kind, cpus, why })
    left = subtractCpuSets(left, cpus)
  }
  for (const lease of held) add('held', lease.cpus, `held by ${describeHolder(lease)}`)
  const offline = subtractCpuSets(left, online)
  if (smt === undefined) add('offline', offline, 'offline')
  else add(`smt-${smt}`, offline, OFFLINE_BY_SMT)
  if (cpuset !== null) {
    const away = subtractCpuSets(left, cpuset)
    for (const { group, kind, cpus } of partitions) {
      const type = kind === 'isolated' ? 'isolated partition' : 'partition'
      add('partition', intersectCpuSets(away, cpus), `taken by the ${type} of cgroup ${group}`)
    }
    add(
      'partition',
      intersectCpuSets(away, isolatedByGroups),
      'taken by the isolated partition of another cgroup',
    )
    add('cpuset', away, `outside cpuset ${formatCpuSet(cpuset)} of QEMU's cgroup`)
  }
  add('own', own, 'given to other threads of this VM')
  for (const lease of held) {
    const near = left.filter((cpu) => intersectCpuSets(siblings[cpu] ?? [], lease.cpus).length > 0)
    add('sibling', near, `on a core that ${describeHolder(lease)} has a CPU of`)
  }
  if (isolatesCores) add('core', left, 'of cores that give one CPU, or that are not realtime CPUs as a whole')
  return found
}

/** `4-5 held by guest 'plc-1' (PID 4711), 6 offline`. */
export function describeObstacles(obstacles: readonly Obstacle[]): string {
  return obstacles.map(({ cpus, why }) => `${formatCpuSet(cpus)} ${why}`).join(', ')
}

/** What to do about each kind of obstacle, as a command to a person. None gives CPUs away that somebody has. */
const REMEDIES: Readonly<Record<Obstacle['kind'], (cpus: string, wait: string) => string | null>> = {
  held: (_, wait) => wait,
  sibling: (_, wait) => wait,
  offline: (cpus) => `bring CPU ${cpus} online (as root: chcpu -e ${cpus})`,
  'smt-off': (cpus) => withoutSmt(cpus, SMT_ON.off),
  'smt-forceoff': (cpus) => withoutSmt(cpus, SMT_ON.forceoff),
  partition: () => 'start the VM in the cgroup that has them',
  // systemd sets the cpuset of a slice by AllowedCPUs= (systemd.resource-control(5)); elsewhere there is the file alone.
  cpuset: (cpus) =>
    `add CPU ${cpus} to AllowedCPUs= of QEMU's slice, or to cpuset.cpus of that cgroup and of those above it`,
  own: () => null,
  core: () => null,
}

function withoutSmt(cpus: string, on: string): string {
  return `leave CPU ${cpus} out of the configuration, or ${on}`
}

/** What may be done about obstacles, the first of each kind; none when nothing can. */
export function remediesFor(obstacles: readonly Obstacle[]): string[] {
  const wait = 'stop a VM or wait for one with --wait SECONDS'
  const texts = obstacles.flatMap(({ kind, cpus }) => REMEDIES[kind](formatCpuSet(cpus), wait) ?? [])
  return [...new Set(texts)]
}
