import type { CommandLine } from '../argv/command-line.js'
import { findOptions, renderWords, type Word } from '../argv/command-line.js'
import type { Policy } from '../config/policy.js'
import { chooseEmulator, guestArch } from '../emulator/names.js'
import { findingText } from '../errors/finding.js'
import { unknownCpus } from '../errors/plan.js'
import { emulatorKeptAway } from '../errors/threads.js'
import type { HostCpus, HostFacts } from '../host/facts.js'
import type { VmRecord } from '../record/vm.js'
import { type CpuSet, formatCpuSet, intersectCpuSets, subtractCpuSets } from '../units/cpu-set.js'
import type { PciAddress } from '../units/pci-address.js'
import type { Ask } from './ask.js'
import { applyEdits, type Change } from './edit.js'
import { type InterruptSetting, interruptWarnings, planInterrupts } from './interrupts.js'
import type { HeldLease, Lease } from './leases.js'
import { type VfioDevice, vfioDevices } from './nics/requests.js'
import type { Pass, PassInput, PlannedNic } from './pass.js'
import { hugepages } from './passes/hugepages.js'
import { memoryLock } from './passes/memory-lock.js'
import { nicAssignment } from './passes/nic-assignment.js'
import { applyRules } from './passes/rules.js'
import { sharedMemory } from './passes/shared-memory.js'
import { threadNames } from './passes/thread-names.js'
import type { Request } from './request.js'
import { heldWarnings } from './threads/conflicts.js'
import { coreWarnings } from './threads/cores.js'
import { usableCpus } from './threads/cpu-choice.js'
import { numaWarnings } from './threads/numa.js'
import { decidedThreads, iothreadIds, type PlannedThreads, planThreads } from './threads/plan-threads.js'
import { nearbyDevices } from './threads/preferred-nodes.js'
import { limitWarnings, realtimeWarnings } from './threads/realtime-host.js'
import { iothreadWarnings, setWarnings, singleThreadWarnings } from './threads/sets.js'
import { countVcpus } from './threads/smp.js'
import { contextWarnings } from './threads/thread-contexts.js'
import type { ThreadPlan } from './threads/thread-plan.js'
import { type Warning, warning } from './warning.js'
import type { WarningKind } from './warnings.js'

/** What becomes of a command line, and why. */
export interface Plan {
  /** Absolute path of the real QEMU. */
  readonly emulator: string
  /** QEMU's architecture name. */
  readonly arch: string
  /** Every word after the emulator; a word with a position is the launcher's own "$@" at that place. */
  readonly words: readonly Word[]
  /** With what its files say; see `withFiles`. */
  readonly line: CommandLine
  /** The command line as it came, for a diff. */
  readonly before: CommandLine
  readonly changes: readonly Change[]
  readonly nics: readonly PlannedNic[]
  /** What no other VM may have while this one runs; null when that is nothing. */
  readonly lease: Lease | null
  /** Whether QEMU goes on as a child of the process that was started. */
  readonly daemonizes: boolean
  /** CPUs to start QEMU on; null leaves the launcher's. */
  readonly affinity: CpuSet | null
  readonly threads: ThreadPlan | null
  /** Where the interrupts of its devices go, those of which something is said. */
  readonly interrupts: readonly InterruptSetting[]
  readonly warnings: readonly Warning[]
  readonly profile: string | null
  /** Whether the VM is to be stopped when its threads cannot be set. */
  readonly strict: boolean
  /** CPUs for the tuner; null leaves the launcher's. */
  readonly tunerCpus: CpuSet | null
  readonly guest: Request['guest']
  /** Whether libvirt's hook sets the threads when libvirt has done its own settings, so that no tuner has to. */
  readonly isHooked: boolean
}

/** Facts that the plan is made from, besides the request: all of them read before. */
export interface PlanFacts {
  readonly policy: Policy
  readonly host: HostFacts
  /** What other VMs hold. */
  readonly held: readonly HeldLease[]
  /** What applies to the VM. */
  readonly ask: Ask
  /** What root has decided for this VM; null when it has decided nothing. */
  readonly record: VmRecord | null
  /** libvirt's `<emulatorpin>`, where the domain's XML was read; see `ThreadInput`. */
  readonly emulatorPin?: CpuSet | null | undefined
  /** Numbers of the vCPUs that libvirt starts the domain with, where its XML says; none or absent for the first ones. */
  readonly vcpusAtStart?: readonly number[]
}

/** The passes in their order; the rules come after them, one by one. */
const PASSES = [nicAssignment, sharedMemory, hugepages, memoryLock, threadNames]

/** Those of them that say where guest RAM comes from, which a choice of CPUs looks at. */
const MEMORY_PASSES = [sharedMemory, hugepages]

/**
 * Makes the plan. Pure: the same request and facts give the same plan on any machine, and a plan made of a plan's own
 * output changes nothing.
 * @throws {UserError} for what the user can mend; see src/errors
 */
export function makePlan(
  request: Request,
  { policy, host, held, ask, record, emulatorPin, vcpusAtStart = [] }: PlanFacts,
): Plan {
  checkHostCpus(policy, host.cpus?.present ?? null)
  const emulator = chooseEmulator(request, policy.emulators)
  const { domain, profile } = ask
  const arch = archOf(request, emulator)
  const assigned = record?.nics ?? []
  const base = { policy, host, profile, domain, nics: request.nics, arch, held, assigned }
  const passed = runPasses(PASSES, request.line, base)
  const ruled = applyRulesAndShare(passed.line, base)
  const given = vfioDevices(ruled.line, host.passed)
  const near = nearbyDevices(passed.nics, given, nodeIn(host))
  const threads =
    record === null
      ? profile &&
        planThreads({ ...base, profile, line: ruled.line, nics: near, emulatorPin, running: vcpusAtStart })
      : decidedThreads(record, host.cpus)
  const lease = leaseOf(passed.nics, given, threads)
  const devices = [...passed.nics, ...(lease?.nics ?? []).map((address) => ({ name: null, address }))]
  const interrupts =
    record === null
      ? planInterrupts({ devices, policy, profile, threads: threads?.threads ?? null, cpus: host.cpus })
      : (record.interrupts ?? [])
  const start = startingCpus(threads?.affinity ?? null, host.cpus)
  // libvirt's hook, which is root, moves QEMU to its CPUs.
  const isKeptAway = start === null && threads?.affinity != null && record === null
  if (isKeptAway && profile?.settings.strict) throw emulatorKeptAway(keptAway(policy, profile, threads, host))
  return {
    emulator,
    arch,
    words: renderWords(ruled.line),
    line: ruled.line,
    before: request.line,
    changes: [...passed.changes, ...ruled.changes],
    nics: passed.nics,
    lease,
    daemonizes: findOptions(ruled.line, 'daemonize').length > 0,
    affinity: start,
    threads: threads?.threads ?? null,
    interrupts,
    warnings: [
      ...withoutRepeats([...passed.warnings, ...ruled.warnings]),
      ...ofKind('unseen', request.unseen),
      ...ofKind('passed-over', ask.warnings),
      ...(isKeptAway && profile
        ? ofKind('kept-away', [emulatorKeptAway(keptAway(policy, profile, threads, host)).message])
        : []),
      ...(threads === null ? [] : threadWarnings(threads.threads, ruled.line, near, { policy, host, held })),
      ...(threads === null
        ? []
        : limitWarnings(threads.threads, host.realtimeLimits ?? null, profile?.settings.strict ?? false)),
      ...ofKind('placement', iothreadWarnings(profile?.settings.iothreads ?? null, iothreadIds(ruled.line))),
      ...ofKind('placement', interruptWarnings(interrupts, threads?.threads ?? null, policy.host.realtime)),
    ],
    profile: profile?.name ?? null,
    strict: profile?.settings.strict ?? false,
    tunerCpus: tunerCpus(policy, start, host.cpus),
    guest: request.guest,
    isHooked: record !== null,
  }
}

/** What a choice of CPUs looks at, where no plan is made. */
export interface ThreadFacts extends Pick<PlanFacts, 'policy' | 'host' | 'held'> {
  readonly ask: Pick<Ask, 'domain' | 'profile'>
}

/**
 * The command line that CPUs are chosen by, as `makePlan` chooses them: guest RAM is on the huge pages that the profile
 * wants, and the rules have been applied.
 * @throws {UserError} what those passes refuse
 */
export function lineForThreads(request: Request, { policy, host, held, ask }: ThreadFacts): CommandLine {
  const arch = archOf(request, chooseEmulator(request, policy.emulators))
  const { domain, profile } = ask
  const base = { policy, host, profile, domain, nics: request.nics, arch, held, assigned: [] }
  return applyRulesAndShare(runPasses(MEMORY_PASSES, request.line, base).line, base).line
}

function archOf(request: Request, emulator: string): string {
  return guestArch(emulator) ?? guestArch(request.defaultEmulator) ?? 'x86_64'
}

function runPasses(passes: readonly Pass[], line: CommandLine, base: Omit<PassInput, 'line'>) {
  let current = line
  const changes: Change[] = []
  const nics: PlannedNic[] = []
  const warnings: Warning[] = []
  for (const pass of passes) {
    const result = pass.run({ ...base, line: current })
    const applied = applyEdits(current, pass.name, result.edits)
    current = applied.line
    changes.push(...applied.changes)
    nics.push(...(result.nics ?? []))
    warnings.push(...(result.warnings ?? []))
  }
  return { line: current, changes, nics, warnings }
}

/**
 * Applies the rules, and shares guest RAM once more after them: a rule may have made a device of vhost-user. What that
 * adds the rules see, too.
 */
function applyRulesAndShare(line: CommandLine, base: Omit<PassInput, 'line'>) {
  const ruled = applyRules({ ...base, line })
  if (ruled.changes.length === 0) return { ...ruled, warnings: [] }
  const shared = sharedMemory.run({ ...base, line: ruled.line })
  const applied = applyEdits(ruled.line, sharedMemory.name, shared.edits)
  const again = applied.changes.length === 0 ? applied : applyRules({ ...base, line: applied.line })
  const changes = again === applied ? [] : again.changes
  return {
    line: again.line,
    changes: [...ruled.changes, ...applied.changes, ...changes],
    warnings: shared.warnings ?? [],
  }
}

function checkHostCpus(policy: Policy, present: CpuSet | null): void {
  if (present === null) return
  for (const set of ['housekeeping', 'realtime', 'switch'] as const) {
    const absent = subtractCpuSets(policy.host[set] ?? [], present)
    if (absent.length === 0) continue
    const where = policy.place(['host', set])
    throw unknownCpus({ set, cpus: formatCpuSet(absent), present: formatCpuSet(present), where })
  }
}

/** Housekeeping CPUs, else those of the emulator: wherever the tuner takes nothing from a vCPU. */
function tunerCpus(policy: Policy, start: CpuSet | null, cpus: HostCpus | null): CpuSet | null {
  return startingCpus(usableCpus(policy.host.housekeeping ?? [], cpus), cpus) ?? start
}

/** Those of some CPUs that a process can have that starts where this one is; null when there are none. */
function startingCpus(cpus: CpuSet | null, host: HostCpus | null): CpuSet | null {
  const own = host?.startCpuset ?? null
  const left = own === null ? (cpus ?? []) : intersectCpuSets(cpus ?? [], own)
  return left.length === 0 ? null : left
}

function keptAway(
  policy: Policy,
  { name, settings }: NonNullable<Ask['profile']>,
  threads: PlannedThreads,
  host: HostFacts,
) {
  return {
    cpus: formatCpuSet(threads.affinity ?? []),
    cpuset: formatCpuSet(host.cpus?.startCpuset ?? []),
    where: policy.place(['profile', name, ...(settings.emulator === null ? [] : ['emulator', 'cpus'])]),
  }
}

/** Devices count whoever has named them: no other VM can open them meanwhile. */
function leaseOf(
  named: readonly PlannedNic[],
  devices: readonly VfioDevice[],
  threads: PlannedThreads | null,
): Lease | null {
  const nics = new Set([...named, ...devices].flatMap(({ address }) => address ?? []))
  const lease = { nics: [...nics], cpus: threads?.leased ?? [] }
  return lease.nics.length === 0 && lease.cpus.length === 0 ? null : lease
}

function nodeIn({ pci }: HostFacts): (address: PciAddress) => number | null {
  return (address) => pci.find((device) => device.address === address)?.numaNode ?? null
}

function threadWarnings(
  threads: ThreadPlan,
  line: CommandLine,
  nics: readonly PlannedNic[],
  { policy, host, held }: Pick<PlanFacts, 'policy' | 'host' | 'held'>,
): Warning[] {
  const { cpus, hugePages, memoryNodes } = host
  if (cpus === null) return []
  const contexts = threads.contexts === undefined ? contextWarnings(line, cpus, held) : []
  return [
    ...ofKind('placement', [
      ...numaWarnings({ line, threads, nics, nodes: cpus.nodes, hugePages, memoryNodes }),
      ...coreWarnings({ threads, guestThreads: countVcpus(line).threads, sets: policy.host, cpus, held }),
      ...setWarnings(threads, cpus),
      ...singleThreadWarnings(line, threads),
    ]),
    ...realtimeWarnings(threads, cpus, host.kernelThreads, policy.host).map(
      (one): Warning => ({ ...one, kind: 'unprepared' }),
    ),
    ...ofKind('placement', contexts),
    ...ofKind('held-cpu', heldWarnings(threads, held)),
  ]
}

function ofKind(kind: WarningKind, texts: readonly string[]): Warning[] {
  return texts.map((text) => warning(kind, text))
}

/** A pass that runs again after the rules says again what it has said. */
function withoutRepeats(warnings: readonly Warning[]): Warning[] {
  return [...new Map(warnings.map((one) => [findingText(one), one])).values()]
}
