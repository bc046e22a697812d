import { findOptions } from '../argv/command-line.js'
import { loadPolicy } from '../config/load.js'
import { onlyRootWrites } from '../config/ownership.js'
import type { Policy } from '../config/policy.js'
import { nicNotRecorded, refused } from '../errors/record.js'
import type { HostFacts } from '../host/facts.js'
import { readHostFacts, type WantedFacts } from '../host/read.js'
import { type Ask, askOf } from '../plan/ask.js'
import { saysInterrupts } from '../plan/interrupts.js'
import type { HeldLease } from '../plan/leases.js'
import { vfioDevices } from '../plan/nics/requests.js'
import { checkIdentity, checkOwnEmulator, checkOwnSettings, isMadeByLibvirt } from '../plan/own-settings.js'
import { pinsMemory } from '../plan/passes/memory-lock.js'
import { makePlan, type Plan } from '../plan/plan.js'
import type { Request } from '../plan/request.js'
import { placesThreads } from '../plan/threads/plan-threads.js'
import { readDomainRecord } from '../record/root/records.js'
import type { VmRecord } from '../record/vm.js'
import type { CpuSet } from '../units/cpu-set.js'

/**
 * Reads what a request's plan needs (configuration, host facts, `-readconfig` files) and makes the plan.
 * @throws {UserError} see `loadPolicy`, `readHostFacts` and `makePlan`
 */
export async function preparePlan(request: Request): Promise<Plan> {
  const isThisHost = request.sysroot === '/'
  const { planner, domain } = await preparePlanner(request)
  // What others hold root has seen to.
  if (domain !== null) return planner([])
  const { readLeases } = await import('../record/leases/read.js')
  return planner(readLeases(request.sysroot, isThisHost ? 'check' : 'assume').held)
}

/** As `preparePlan`, but makes the plan when it is known what other VMs hold, and again when that has changed. */
export async function preparePlanner(asked: Request): Promise<PreparedPlanner> {
  const { path, explicit } = asked.config
  const isEmulator = asked.entry === 'emulator'
  const request = await withFilesRead(asked, isEmulator && isMadeByLibvirt(asked))
  // Root may say anything by hand; libvirt's QEMU user says what the domain's XML does.
  const isDomains = isEmulator && !request.dryRun && isMadeByLibvirt(request) && process.geteuid?.() !== 0
  if (isDomains) checkOwnSettings(request)
  else if (isEmulator) checkIdentity(request)
  const policy = await loadPolicy({ path, explicit, emulatorMode: isEmulator })
  if (isDomains) checkOwnEmulator(request.emulator, policy, onlyRootWrites)
  // Only libvirt starts a domain: who names another's UUID by hand gets nothing of it.
  const domain = isEmulator ? readDomainRecord(request.sysroot, request.guest.uuid) : null
  if (domain?.refusal !== undefined) throw refused(domain.refusal)
  return { planner: plannerFor(request, policy, { domain }), domain }
}

/** Most command lines name no file, and do not pay for what reads one. */
async function withFilesRead(request: Request, isDomains: boolean): Promise<Request> {
  const isNamed = ['readconfig', 'set'].some((option) => findOptions(request.line, option).length > 0)
  return isNamed ? (await import('./read-configs.js')).readRequestFiles(request, '.', isDomains) : request
}

export interface PreparedPlanner {
  readonly planner: Planner
  /** Root's record of this VM, which is then what was decided; null without one. */
  readonly domain: VmRecord | null
}

/** What a planner may be given instead of what it would find. */
interface Given {
  /** Root's record of the VM. */
  readonly domain?: VmRecord | null
  /** What applies to the VM, where that was found out before. */
  readonly ask?: Ask
  /** Whether the VM will be in a group of libvirt's machines, rather than in this process's. */
  readonly isMachine?: boolean
  /** libvirt's `<emulatorpin>`. */
  readonly emulatorPin?: CpuSet | null | undefined
  /** vCPUs that libvirt starts a domain with; see `PlanFacts`. */
  readonly vcpusAtStart?: readonly number[]
  /** The host as it will be. */
  readonly hostAs?: (host: HostFacts) => HostFacts
}

export type Planner = (held: readonly HeldLease[]) => Plan

/**
 * As `preparePlanner`, with a policy and `-readconfig` files that were read before.
 */
export function plannerFor(request: Request, policy: Policy, given: Given = {}): Planner {
  const record = given.domain ?? null
  const ask = given.ask ?? askOf(request, policy, { asked: record?.asked ?? null, record })
  const seen = readHostFacts(request.sysroot, {
    ...wantedFacts(policy, ask, request, record),
    machines: given.isMachine === true,
  })
  const host = given.hostAs?.(seen) ?? seen
  return (held) => {
    const { emulatorPin, vcpusAtStart = [] } = given
    const plan = makePlan(request, { policy, host, held, ask, record, emulatorPin, vcpusAtStart })
    if (record !== null) checkRecorded(plan, record)
    return plan
  }
}

/** Root has got those NICs ready for the domain that its record names. */
function checkRecorded({ nics }: Plan, { id, lease }: VmRecord): void {
  const other = nics.find(({ address }) => !lease?.nics.includes(address))
  if (other !== undefined) throw nicNotRecorded({ name: other.name, address: other.address, record: id })
}

/** A VM pays only for the facts that its plan looks at. */
function wantedFacts(
  policy: Policy,
  { profile, wantsNics }: Ask,
  { line, sysroot, dryRun }: Request,
  record: VmRecord | null,
): WantedFacts {
  const settings = profile?.settings
  const devices = vfioDevices(line)
  return {
    // What root has recorded is nobody else's.
    pci: wantsNics || (record === null && devices.length > 0),
    descriptors: dryRun || sysroot !== '/' ? null : devices.flatMap(({ passed }) => passed ?? []),
    cpus: Object.values(policy.host).some((cpus) => cpus !== null) || saysInterrupts(policy, profile),
    topology: settings !== undefined && placesThreads(settings),
    realtimeLimits: record === null && settings !== undefined && placesThreads(settings),
    memoryNodes: record === null && settings?.vcpus != null,
    memory: settings !== undefined && settings.hugepages !== null,
    lockLimit: settings?.lockMemory === true || wantsNics || pinsMemory(line),
  }
}
