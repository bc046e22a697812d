import type { SchedPolicy } from '../config/policy.js'
import { MOST_NODES } from '../plan/memory/guest-ram.js'
import { type CpuSet, formatCpuSet, parseCpuSet, unionCpuSets } from '../units/cpu-set.js'
import { childOf, childrenOf, type XmlElement } from './xml.js'

/** The CPUs that libvirt keeps threads to. */
export interface Pin {
  /** null when numad chooses them at the start. */
  readonly cpus: CpuSet | null
  /** What says so, for messages; written anew, since a domain's owner has written it. */
  readonly element: string
}

/** How libvirt schedules threads. */
export interface Schedule {
  readonly policy: SchedPolicy
  /** null where the policy has none. */
  readonly priority: number | null
  readonly element: string
}

/** Where libvirt takes guest RAM from. */
export interface MemoryPlace {
  /** null when numad chooses them at the start. */
  readonly nodes: readonly number[] | null
  /** vCPUs of the guest's NUMA node that it is for; null for all. */
  readonly vcpus: CpuSet | null
  readonly element: string
}

/** What libvirt does to a domain's threads by itself (libvirt docs/formatdomain.rst, "CPU Tuning", "NUMA Node Tuning"). */
export interface Cputune {
  readonly vcpuPins: ReadonlyMap<number, Pin>
  readonly vcpuSchedules: ReadonlyMap<number, Schedule>
  readonly iothreadPins: ReadonlyMap<number, Pin>
  readonly iothreadSchedules: ReadonlyMap<number, Schedule>
  readonly emulatorPin: Pin | null
  readonly emulatorSchedule: Schedule | null
  /** Of each thread without a pin of its own (src/qemu/qemu_process.c, qemuProcessSetupPid). */
  readonly otherPin: Pin | null
  readonly memory: readonly MemoryPlace[]
  /** Nodes that a cpuset of libvirt's keeps all of QEMU's memory to, of which it tells QEMU nothing; null for none. */
  readonly memoryCpuset: readonly number[] | null
  /** The vCPUs that a domain starts with, where `<vcpus>` says it of each; null where they are the first ones. */
  readonly vcpusAtStart: CpuSet | null
}

/** Reads what a domain's XML says of its threads. What is not understood, which libvirt refuses, is passed over. */
export function readCputune(root: XmlElement): Cputune {
  const cputune = childOf(root, 'cputune')
  const emulator = childOf(cputune, 'emulatorpin')
  const emulatorPin = pinOf(emulator, '')
  const schedule = childOf(cputune, 'emulatorsched')
  return {
    vcpuPins: pinsOf(cputune, 'vcpupin', 'vcpu'),
    vcpuSchedules: schedulesOf(cputune, 'vcpusched', 'vcpus'),
    iothreadPins: pinsOf(cputune, 'iothreadpin', 'iothread'),
    iothreadSchedules: schedulesOf(cputune, 'iothreadsched', 'iothreads'),
    emulatorPin,
    emulatorSchedule: schedule === null ? null : scheduleOf(schedule, ''),
    otherPin: otherPin(childOf(root, 'vcpu')),
    memory: memoryPlaces(root),
    memoryCpuset: memoryCpuset(childOf(childOf(root, 'numatune'), 'memory')),
    vcpusAtStart: vcpusAtStart(root),
  }
}

/** `mode='restrictive'` is by cgroups alone (libvirt 7.3, docs/formatdomain.rst, "NUMA Node Tuning"). */
function memoryCpuset(memory: XmlElement | null): readonly number[] | null {
  const { mode, placement } = memory?.attributes ?? {}
  return mode === 'restrictive' && placement !== 'auto' ? listIn(memory, 'nodeset') : null
}

function otherPin(vcpu: XmlElement | null): Pin | null {
  if (vcpu?.attributes.placement === 'auto') return { cpus: null, element: "<vcpu placement='auto'>" }
  const cpus = listIn(vcpu, 'cpuset')
  return cpus === null ? null : { cpus, element: `<vcpu cpuset='${formatCpuSet(cpus)}'>` }
}

function pinOf(element: XmlElement | null, which: string): Pin | null {
  if (element === null || listIn(element, 'cpuset') === null) return null
  // Read when they are asked for: kept, the lists of a domain with thousands of pins take a gigabyte.
  return {
    get cpus() {
      return listIn(element, 'cpuset')
    },
    get element() {
      return `<${element.name}${which} cpuset='${formatCpuSet(this.cpus ?? [])}'/>`
    },
  }
}

function pinsOf(cputune: XmlElement | null, name: string, key: string): Map<number, Pin> {
  const pins = new Map<number, Pin>()
  for (const element of childrenOf(cputune, name)) {
    const id = listIn(element, key)?.[0]
    // libvirt takes the first for a vCPU (src/conf/domain_conf.c, virDomainVcpuPinDefParseXML) and refuses a second.
    if (id === undefined || pins.has(id)) continue
    const pin = pinOf(element, ` ${key}='${id}'`)
    if (pin !== null) pins.set(id, pin)
  }
  return pins
}

function schedulesOf(cputune: XmlElement | null, name: string, key: string): Map<number, Schedule> {
  const schedules = new Map<number, Schedule>()
  for (const element of childrenOf(cputune, name)) {
    const ids = listIn(element, key)
    const schedule = ids === null ? null : scheduleOf(element, ` ${key}='${formatCpuSet(ids)}'`)
    if (ids === null || schedule === null) continue
    for (const id of ids) schedules.set(id, schedule)
  }
  return schedules
}

/** libvirt's words for policies (src/conf/domain_conf.c, virProcessSchedPolicy): none of them is SCHED_OTHER. */
const POLICIES: readonly SchedPolicy[] = ['batch', 'idle', 'fifo', 'rr']

function scheduleOf({ name, attributes }: XmlElement, which: string): Schedule | null {
  const policy = POLICIES.find((known) => known === attributes.scheduler)
  if (policy === undefined) return null
  const isRealtime = policy === 'fifo' || policy === 'rr'
  const priority = isRealtime ? Number(/^\d{1,2}$/.exec(attributes.priority ?? '')?.[0] ?? 1) : null
  const rank = priority === null ? '' : ` priority='${priority}'`
  return { policy, priority, element: `<${name}${which} scheduler='${policy}'${rank}/>` }
}

function memoryPlaces(root: XmlElement): MemoryPlace[] {
  const numatune = childOf(root, 'numatune')
  const cells = childrenOf(childOf(childOf(root, 'cpu'), 'numa'), 'cell').slice(0, MOST_NODES)
  const memory = childOf(numatune, 'memory')
  const whole = memory === null ? [] : placeOf(memory, '', null)
  const named = childrenOf(numatune, 'memnode').slice(0, MOST_NODES)
  const byNode = named.flatMap((element) => {
    const id = listIn(element, 'cellid')?.[0]
    const cell = cells.find(({ attributes }, index) => Number(attributes.id ?? index) === id)
    return placeOf(element, ` cellid='${id}'`, listIn(cell ?? null, 'cpus'))
  })
  return [...whole, ...byNode]
}

function placeOf(element: XmlElement, which: string, vcpus: CpuSet | null): MemoryPlace[] {
  const { name, attributes } = element
  if (attributes.placement === 'auto') {
    return [{ nodes: null, vcpus, element: `<${name}${which} placement='auto'/> of <numatune>` }]
  }
  const nodes = listIn(element, 'nodeset')
  if (nodes === null) return []
  return [{ nodes, vcpus, element: `<${name}${which} nodeset='${formatCpuSet(nodes)}'/> of <numatune>` }]
}

/**
 * What `<vcpus>` has enabled. libvirt tells QEMU's command line of those that are not hot-pluggable alone, and plugs the others
 * before the guest runs (src/qemu/qemu_command.c, qemuBuildSmpCommandLine; qemu_process.c, qemuProcessSetupHotpluggableVcpus).
 */
export function vcpusAtStart(root: XmlElement): CpuSet | null {
  const all = childrenOf(childOf(root, 'vcpus'), 'vcpu')
  if (all.length === 0) return null
  const there = all.filter(({ attributes }) => attributes.enabled === 'yes')
  return unionCpuSets(
    there.flatMap(({ attributes }) => (/^\d{1,4}$/.test(attributes.id ?? '') ? [Number(attributes.id)] : [])),
  )
}

/** A list of numbers in an attribute; null without one, and for an empty one. */
function listIn(element: XmlElement | null, attribute: string): CpuSet | null {
  const list = parseCpuSet(element?.attributes[attribute] ?? '')
  return list === null || list.length === 0 ? null : list
}
