import { nodeOf } from '../plan/threads/auto.js'
import { isRealtime, type ThreadPlan, type ThreadSetting } from '../plan/threads/thread-plan.js'
import {
  type CpuSet,
  formatCpuSet,
  intersectCpuSets,
  subtractCpuSets,
  unionCpuSets,
} from '../units/cpu-set.js'
import type { Cputune, MemoryPlace, Pin, Schedule } from './cputune.js'

/** A thread of a domain for which libvirt and the plan do not mean the same. */
export interface Contradiction {
  /** One line without its end, that names libvirt's element first. */
  readonly text: string
  /** Whether libvirt's hook always carries out the plan there: emulator threads, which it moves at `started`. */
  readonly isSettled: boolean
}

/**
 * Compares what libvirt will do to a domain's threads with their plan.
 * @param nodes the host's NUMA nodes with their CPUs
 * @returns what contradicts, vCPUs first; nothing where libvirt says nothing, or allows more than is planned
 */
export function contradictionsOf(
  cputune: Cputune,
  threads: ThreadPlan,
  nodes: Readonly<Record<number, CpuSet>>,
): Contradiction[] {
  return [
    ...vcpuContradictions(cputune, threads),
    ...iothreadContradictions(cputune, threads),
    ...emulatorContradictions(cputune, threads),
    ...starvedEmulator(cputune, threads),
    ...memoryContradictions(cputune, threads, nodes),
  ]
}

/** libvirt's I/O threads are numbered; their objects are called `iothreadN` (src/qemu/qemu_alias.c). */
export function iothreadNumber(id: string): number | null {
  const number = /^iothread(\d{1,6})$/.exec(id)?.[1]
  return number === undefined ? null : Number(number)
}

/** CPUs that the plan gives to threads of libvirt's emulator group, by what they are. */
export function emulatorKinds({
  contexts,
  emulator,
  workers,
  vhost,
  iothreads,
}: ThreadPlan): [string, ThreadSetting][] {
  const named: [string, ThreadSetting | null][] = [
    ['emulator threads', emulator],
    ['worker threads', workers],
    ['vhost threads', vhost],
    ['thread contexts', contexts ?? null],
    ...iothreads
      .filter(({ id }) => iothreadNumber(id) === null)
      .map((one): [string, ThreadSetting] => [`I/O thread '${one.id}'`, one]),
  ]
  return named.flatMap(([what, setting]) => (setting === null ? [] : [[what, setting]]))
}

/** Whether the plan says how all vCPUs are scheduled: those that a real-time mask leaves out are not real-time then. */
function schedulesVcpus({ vcpus }: ThreadPlan): boolean {
  return vcpus.some(({ policy }) => policy !== null)
}

interface Grouped {
  readonly ids: number[]
  readonly cpus: Set<number>
}

function vcpuContradictions({ vcpuPins, vcpuSchedules, otherPin }: Cputune, threads: ThreadPlan) {
  // One element may be for hundreds of vCPUs.
  const kept = new Map<Pin, Grouped>()
  const scheduled = new Map<
    string,
    { readonly schedule: Schedule; readonly ids: number[]; readonly as: string }
  >()
  for (const { vcpu, cpus, policy, priority } of threads.vcpus) {
    const pin = vcpuPins.get(vcpu) ?? otherPin
    const missing = missingFrom(cpus, pin)
    if (pin !== null && missing.length > 0) {
      const group = kept.get(pin) ?? { ids: [], cpus: new Set() }
      kept.set(pin, group)
      group.ids.push(vcpu)
      for (const cpu of missing) group.cpus.add(cpu)
    }
    const schedule = vcpuSchedules.get(vcpu)
    const wanted = { policy: policy ?? 'other', priority } as const
    if (schedule === undefined || !schedulesVcpus(threads) || isSame(schedule, wanted)) continue
    const as = describe(wanted)
    const key = `${schedule.element} ${as}`
    const group = scheduled.get(key) ?? { schedule, ids: [], as }
    scheduled.set(key, group)
    group.ids.push(vcpu)
  }
  return [
    ...[...kept].map(([pin, { ids, cpus }]) =>
      contradiction(
        keeps(
          pin,
          vcpusNamed(ids),
          [...cpus].sort((a, b) => a - b),
        ),
      ),
    ),
    ...[...scheduled.values()].map(({ schedule, ids, as }) =>
      contradiction(schedules(schedule, vcpusNamed(ids), as)),
    ),
  ]
}

function iothreadContradictions(cputune: Cputune, { iothreads, emulator }: ThreadPlan): Contradiction[] {
  const numbers = new Set([
    ...cputune.iothreadPins.keys(),
    ...cputune.iothreadSchedules.keys(),
    ...iothreads.flatMap(({ id }) => iothreadNumber(id) ?? []),
  ])
  return [...numbers].flatMap((number) => {
    const id = `iothread${number}`
    // One without a setting of its own goes where emulator threads go.
    const setting = iothreads.find((one) => one.id === id) ?? emulator
    if (setting === null) return []
    const what = `I/O thread '${id}'`
    const pin = cputune.iothreadPins.get(number) ?? cputune.otherPin
    return comparison(what, setting, pin, cputune.iothreadSchedules.get(number) ?? null).map(contradiction)
  })
}

function emulatorContradictions(cputune: Cputune, threads: ThreadPlan): Contradiction[] {
  const pin = cputune.emulatorPin ?? cputune.otherPin
  return emulatorKinds(threads).flatMap(([what, setting]) => {
    const missing = missingFrom(setting.cpus, pin)
    const schedule = what === 'emulator threads' ? cputune.emulatorSchedule : null
    return [
      ...(pin === null || missing.length === 0
        ? []
        : [{ text: `${keeps(pin, what, missing)}: libvirt's hook moves them there`, isSettled: true }]),
      ...(schedule === null || setting.policy === null || isSame(schedule, setting)
        ? []
        : [{ text: schedules(schedule, what, describe(setting)), isSettled: true }]),
    ]
  })
}

/** A vCPU that libvirt makes real-time where emulator threads are: the planner sees what the profile says alone. */
function starvedEmulator(cputune: Cputune, threads: ThreadPlan): Contradiction[] {
  if (schedulesVcpus(threads)) return []
  const planned = threads.emulator?.cpus ?? null
  const pin = cputune.emulatorPin ?? cputune.otherPin
  const where = planned === null && pin !== null ? ` (${pin.element})` : ''
  const found = new Map<Schedule, Grouped>()
  const placed = new Map(threads.vcpus.map(({ vcpu, cpus }) => [vcpu, cpus]))
  for (const [vcpu, schedule] of cputune.vcpuSchedules) {
    const own = placed.get(vcpu)
    const cpus = own ?? (cputune.vcpuPins.get(vcpu) ?? cputune.otherPin)?.cpus ?? []
    const shared = isRealtime(schedule) ? intersectCpuSets(cpus, planned ?? pin?.cpus ?? []) : []
    if (shared.length === 0) continue
    const group = found.get(schedule) ?? { ids: [], cpus: new Set() }
    found.set(schedule, group)
    group.ids.push(vcpu)
    for (const cpu of shared) group.cpus.add(cpu)
  }
  return [...found].map(([schedule, { ids, cpus }]) =>
    contradiction(
      `${schedule.element} makes ${vcpusNamed(ids)} real-time on CPU ${formatCpuSet([...cpus].sort((a, b) => a - b))}, ` +
        `where emulator threads are${where}, which it would starve`,
    ),
  )
}

function memoryContradictions(
  { memory }: Cputune,
  { vcpus }: ThreadPlan,
  nodes: Readonly<Record<number, CpuSet>>,
): Contradiction[] {
  if (memory.length === 0 || Object.keys(nodes).length < 2) return []
  const cpus = unionCpuSets(vcpus.flatMap((vcpu) => vcpu.cpus ?? []))
  const nodeOfCpu = new Map(cpus.map((cpu) => [cpu, nodeOf(cpu, nodes)]))
  const placed = new Map(
    vcpus.map(({ vcpu, cpus }) => [
      vcpu,
      [...new Set((cpus ?? []).flatMap((cpu) => nodeOfCpu.get(cpu) ?? []))],
    ]),
  )
  return memory.flatMap((place) => memoryContradiction(place, placed))
}

/** @param placed the host's nodes that each vCPU is on */
function memoryContradiction(
  { nodes: memory, vcpus, element }: MemoryPlace,
  placed: ReadonlyMap<number, readonly number[]>,
): Contradiction[] {
  const found = new Set<number>()
  // A domain may have a thousand cells, each of all its vCPUs.
  for (const vcpu of vcpus ?? placed.keys()) for (const node of placed.get(vcpu) ?? []) found.add(node)
  const theirs = [...found]
  if (theirs.length === 0) return []
  const here = `vCPUs are on NUMA node ${formatCpuSet(theirs.sort((a, b) => a - b))}`
  if (memory === null) {
    return [contradiction(`${element} has numad choose the NUMA node of guest RAM, and ${here}`)]
  }
  if (theirs.some((node) => memory.includes(node))) return []
  return [contradiction(`${element} takes guest RAM from NUMA node ${formatCpuSet(memory)}, and ${here}`)]
}

function contradiction(text: string): Contradiction {
  return { text, isSettled: false }
}

function comparison(
  what: string,
  setting: ThreadSetting,
  pin: Pin | null,
  schedule: Schedule | null,
): string[] {
  const missing = missingFrom(setting.cpus, pin)
  return [
    ...(pin === null || missing.length === 0 ? [] : [keeps(pin, what, missing)]),
    ...(schedule === null || setting.policy === null || isSame(schedule, setting)
      ? []
      : [schedules(schedule, what, describe(setting))]),
  ]
}

/** Those of some CPUs that a pin does not leave; all of them when numad chooses. */
function missingFrom(cpus: CpuSet | null, pin: Pin | null): CpuSet {
  return cpus === null || pin === null ? [] : subtractCpuSets(cpus, pin.cpus ?? [])
}

function keeps(pin: Pin, what: string, cpus: CpuSet): string {
  return pin.cpus === null
    ? `${pin.element} has numad choose the CPUs of ${what}, and the profile has CPU ${formatCpuSet(cpus)}`
    : `${pin.element} keeps ${what} from CPU ${formatCpuSet(cpus)} of the profile`
}

function schedules({ element, ...schedule }: Schedule, what: string, as: string): string {
  return `${element} gives ${what} ${describe(schedule)}, and the profile ${as}`
}

function describe({ policy, priority }: Pick<ThreadSetting, 'policy' | 'priority'>): string {
  return priority === null ? `${policy}` : `${policy} ${priority}`
}

function isSame(
  schedule: Schedule,
  { policy, priority }: Pick<ThreadSetting, 'policy' | 'priority'>,
): boolean {
  return schedule.policy === policy && schedule.priority === priority
}

function vcpusNamed(ids: readonly number[]): string {
  return `vCPU${ids.length === 1 ? '' : 's'} ${formatCpuSet(ids)}`
}
