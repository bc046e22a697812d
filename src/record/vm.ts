import type { DomainPolicy, SchedPolicy } from '../config/policy.js'
import { EXIT, type ExitCode } from '../errors/user-error.js'
import type { InterruptSetting } from '../plan/interrupts.js'
import { type Lease, leaseToJson } from '../plan/leases.js'
import type { ThreadObject } from '../plan/threads/thread-objects.js'
import { type ThreadPlan, type ThreadSetting, threadsToJson } from '../plan/threads/thread-plan.js'
import { type CpuSet, formatCpuSet, parseCpuSet } from '../units/cpu-set.js'
import { type PciAddress, parsePciAddress } from '../units/pci-address.js'
import { asList, asNumber, asObject, asText, parseObject } from './untrusted-json.js'

/** Variable of QEMU's environment that carries the record, for processes of the same user: the tuner finds QEMU by it. */
export const PLAN_VARIABLE = 'QEMU_RT_PLAN'

/** Variable that gives the tuner its record: not QEMU's, by which a QEMU with a record is recognised. */
export const TUNE_VARIABLE = 'QEMU_RT_TUNE'

/** Variable that gives root's tuner the path of the launch's stderr, where its line is to go. */
export const STDERR_VARIABLE = 'QEMU_RT_TUNE_STDERR'

/**
 * One VM: who it is, what it holds, its threads, and what to undo when it has ended. The one shape of all that is kept of
 * a VM: root's record of a libvirt domain, what a user's own launch writes down, and what travels with QEMU.
 */
export interface VmRecord {
  /** Tells this launch from every other: by it QEMU is found again after `-daemonize`. */
  readonly id: string
  readonly guest: { readonly name: string | null; readonly uuid: string | null }
  readonly profile: string | null
  /** Whether the VM is stopped when its threads cannot be set. */
  readonly strict: boolean
  readonly nics: readonly AssignedNic[]
  /** What no other VM may have while this one runs. */
  readonly lease: Lease | null
  readonly threads: ThreadPlan | null
  /** How many vCPU threads there are from the start. */
  readonly vcpusAtStart: number
  /** How many the guest may have (`maxcpus` of -smp) where those that are plugged take their CPUs then; null where none does. */
  readonly maxcpus: number | null
  /** Whether somebody starts the guest later (`-S`), as libvirt does when it has placed the threads itself. */
  readonly startsPaused: boolean
  /** Whether QEMU goes on as a child of the process that was started (`-daemonize`). */
  readonly daemonizes: boolean
  /** QEMU, or the launcher that becomes it; null until it is known. */
  readonly process: ProcessId | null
  /** What the domain asks for in its `<metadata>`; null where no domain was read. */
  readonly asked: DomainRequest | null
  /** Where the interrupts of its devices go; absent where nothing is said of any. */
  readonly interrupts?: readonly InterruptSetting[]
  /** What root changed on the host for this VM, as it was before. */
  readonly undo: readonly TakenDevice[]
  /** Numbers of interrupts that root has told irqbalance to leave alone for this VM; absent for none. */
  readonly banned?: readonly number[]
  /** What is still to be said in the domain's log, a line each; absent for nothing. */
  readonly notices?: readonly string[]
  /** Why root refuses the start, which the wrapper says in QEMU's place; absent for one that may start. */
  readonly refusal?: Refusal
}

/** An error of root's that another process says. */
interface Refusal {
  readonly exitCode: ExitCode
  /** One line, without the `qemu-rt: ` prefix. */
  readonly text: string
}

/** What a VM asks for in its domain's `<metadata>`, which QEMU's command line does not carry. */
export interface DomainRequest {
  readonly profile: string | null
  readonly nics: DomainPolicy['nics']
  /** Names that Nova gives in its own metadata; null without them. */
  readonly flavor: string | null
  readonly instance: string | null
}

/** A NIC's name, and the device that was chosen for it. */
export interface AssignedNic {
  readonly name: string
  readonly address: PciAddress
}

/** A process: its start tells it from a later one with the same number. */
export interface ProcessId {
  readonly pid: number
  /** Clock ticks after boot (proc(5), field 22 of stat). */
  readonly startTicks: number
  /** The PID namespace that counts it, as /proc/self/ns/pid names it; null when it is not said. */
  readonly namespace: string | null
}

/** A PCI device that was changed for a VM, as it was before. */
export interface TakenDevice {
  readonly address: PciAddress
  /** The host's driver; null when it had none. Undefined when the driver was left as it is. */
  readonly driver?: string | null
  /** Its `driver_override`, where it had one. */
  readonly override?: string
  /** Its /dev/vfio node, whose owner was changed, or what the owner may do. */
  readonly node?: { readonly path: string; readonly uid: number; readonly mode?: number }
  /** The line of its slot, where that was set. Vectors and the threads of all end with QEMU, and have no before. */
  readonly interrupts?: readonly InterruptBefore[]
}

/** An interrupt that was set for a VM. */
interface InterruptBefore {
  readonly irq: number
  /** CPUs that it had. */
  readonly cpus: CpuSet
}

/** A record of which nothing is known but its id. */
export const NEW_VM: Omit<VmRecord, 'id'> = {
  guest: { name: null, uuid: null },
  profile: null,
  strict: false,
  nics: [],
  lease: null,
  threads: null,
  vcpusAtStart: 1,
  maxcpus: null,
  startsPaused: false,
  daemonizes: false,
  process: null,
  asked: null,
  undo: [],
}

/** The text of a record: of its file, and of `QEMU_RT_PLAN`. */
export function formatVm({ process, asked, undo, interrupts, banned, ...vm }: VmRecord): string {
  return JSON.stringify({
    version: 1,
    ...vm,
    lease: vm.lease === null ? null : leaseToJson(vm.lease),
    threads: vm.threads === null ? null : threadsToJson(vm.threads),
    process: process ?? undefined,
    asked: asked ?? undefined,
    interrupts: interrupts?.length ? interrupts.map(interruptToJson) : undefined,
    undo: undo.length === 0 ? undefined : undo.map(takenToJson),
    banned: banned?.length ? banned : undefined,
  })
}

function interruptToJson({ address, cpus, priority }: InterruptSetting): object {
  return { address, cpus: cpus === null ? undefined : formatCpuSet(cpus), priority: priority ?? undefined }
}

function takenToJson({ interrupts, ...taken }: TakenDevice): object {
  const before = interrupts?.map(({ irq, cpus }) => ({ irq, cpus: formatCpuSet(cpus) }))
  return { ...taken, interrupts: before }
}

/**
 * Reads what `formatVm` wrote. Any user may write such a text, so nothing in it is taken for granted: whose word it is
 * says where it lies.
 * @returns null when it is no record
 */
export function parseVm(text: string): VmRecord | null {
  const json = parseObject(text)
  if (json?.version !== 1 || typeof json.id !== 'string' || !/^[\w-]{8,64}$/.test(json.id)) return null
  const guest = asObject(json.guest)
  return {
    id: json.id,
    guest: { name: asText(guest.name), uuid: asText(guest.uuid) },
    profile: asText(json.profile),
    strict: json.strict === true,
    nics: asList(json.nics).flatMap((nic) => {
      const address = parsePciAddress(asText(nic.address) ?? '')
      return address === null ? [] : [{ name: asText(nic.name) ?? '', address }]
    }),
    lease: parseLease(json.lease),
    threads: parseThreads(json.threads),
    vcpusAtStart: asNumber(json.vcpusAtStart) ?? 1,
    maxcpus: asNumber(json.maxcpus),
    startsPaused: json.startsPaused === true,
    daemonizes: json.daemonizes === true,
    process: parseProcess(json.process),
    asked: json.asked === undefined ? null : parseAsked(asObject(json.asked)),
    ...(json.interrupts === undefined
      ? {}
      : { interrupts: asList(json.interrupts).flatMap((one) => parseInterrupt(one) ?? []) }),
    undo: asList(json.undo).flatMap((one) => parseTaken(one) ?? []),
    ...(Array.isArray(json.banned) ? { banned: json.banned.flatMap((irq) => asNumber(irq) ?? []) } : {}),
    ...(json.refusal === undefined ? {} : { refusal: parseRefusal(asObject(json.refusal)) }),
    ...(Array.isArray(json.notices) ? { notices: json.notices.flatMap((one) => asText(one) ?? []) } : {}),
  }
}

function parseRefusal({ exitCode, text }: Record<string, unknown>): Refusal {
  const code = Object.values(EXIT).find((one) => one === exitCode)
  return { exitCode: code ?? EXIT.unavailable, text: asText(text) ?? '' }
}

function parseProcess(json: unknown): ProcessId | null {
  const process = asObject(json)
  const pid = asNumber(process.pid)
  const startTicks = asNumber(process.startTicks)
  return pid === null || startTicks === null
    ? null
    : { pid, startTicks, namespace: asText(process.namespace) }
}

function parseAsked(json: Record<string, unknown>): DomainRequest {
  return {
    profile: asText(json.profile),
    nics: parseNics(json.nics),
    flavor: asText(json.flavor),
    instance: asText(json.instance),
  }
}

function parseNics(json: unknown): DomainPolicy['nics'] {
  const { add, replace } = asObject(json)
  if (Array.isArray(add)) return { add: add.map((name) => asText(name) ?? '') }
  if (typeof replace !== 'object' || replace === null) return null
  return {
    replace: Object.fromEntries(
      Object.entries(replace).map(([device, name]) => [device, asText(name) ?? '']),
    ),
  }
}

function parseTaken(json: Record<string, unknown>): TakenDevice | null {
  const address = parsePciAddress(asText(json.address) ?? '')
  if (address === null) return null
  const node = asObject(json.node)
  const [path, uid, mode] = [asText(node.path), asNumber(node.uid), asNumber(node.mode)]
  const override = asText(json.override)
  return {
    address,
    ...(json.driver === undefined ? {} : { driver: asText(json.driver) }),
    ...(override === null ? {} : { override }),
    ...(path === null || uid === null ? {} : { node: { path, uid, ...(mode === null ? {} : { mode }) } }),
    ...(json.interrupts === undefined
      ? {}
      : { interrupts: asList(json.interrupts).flatMap((one) => parseBefore(one) ?? []) }),
  }
}

function parseInterrupt(json: Record<string, unknown>): InterruptSetting | null {
  const address = parsePciAddress(asText(json.address) ?? '')
  const { cpus, priority } = parseSetting(json)
  return address === null ? null : { address, cpus, priority }
}

function parseBefore(json: Record<string, unknown>): InterruptBefore | null {
  const irq = asNumber(json.irq)
  const { cpus } = parseSetting(json)
  return irq === null || cpus === null ? null : { irq, cpus }
}

/** Reads a lease as `leaseToJson` writes it; null for null, or when it is none. */
export function parseLease(json: unknown): Lease | null {
  if (typeof json !== 'object' || json === null) return null
  const { nics, cpus } = asObject(json)
  const addresses = Array.isArray(nics) ? nics.map((nic) => parsePciAddress(asText(nic) ?? '')) : []
  return {
    nics: addresses.filter((address) => address !== null),
    cpus: parseCpuSet(asText(cpus) ?? '') ?? [],
  }
}

function parseThreads(json: unknown): ThreadPlan | null {
  if (typeof json !== 'object' || json === null) return null
  const { vcpus, emulator, iothreads, workers, vhost, contexts, unnamed } = asObject(json)
  return {
    vcpus: asList(vcpus).flatMap((one) => {
      const vcpu = asNumber(one.vcpu)
      return vcpu === null ? [] : [{ vcpu, ...parseSetting(one) }]
    }),
    emulator: emulator === undefined ? null : parseSetting(asObject(emulator)),
    iothreads: asList(iothreads).map((one) => ({ id: asText(one.id) ?? '', ...parseSetting(one) })),
    workers: workers === undefined ? null : parseSetting(asObject(workers)),
    vhost: vhost === undefined ? null : parseSetting(asObject(vhost)),
    ...(contexts === undefined ? {} : { contexts: parseSetting(asObject(contexts)) }),
    ...(unnamed === undefined ? {} : { unnamed: asList(unnamed).flatMap(parseThreadObject) }),
  }
}

function parseThreadObject({ type, id }: Record<string, unknown>): ThreadObject[] {
  const isType = type === 'iothread' || type === 'thread-context'
  return isType && typeof id === 'string' ? [{ type, id }] : []
}

const POLICIES: readonly SchedPolicy[] = ['other', 'batch', 'idle', 'fifo', 'rr']

function parseSetting({ cpus, policy, priority }: Record<string, unknown>): ThreadSetting {
  const set = parseCpuSet(asText(cpus) ?? '') ?? []
  const rank = asNumber(priority)
  return {
    cpus: set.length === 0 ? null : set,
    policy: POLICIES.find((known) => known === policy) ?? null,
    priority: rank !== null && rank >= 1 && rank <= 99 ? rank : null,
  }
}
