import type { CommandLine } from '../argv/command-line.js'
import { renderWords, type Word } from '../argv/command-line.js'
import type { Policy } from '../config/policy.js'
import { unknownCpus } from '../errors/plan.js'
import type { HostFacts } from '../host/facts.js'
import { type CpuSet, formatCpuSet, subtractCpuSets } from '../units/cpu-set.js'
import { chooseProfile, flavorWarnings, matchDomain } from './domain.js'
import { applyEdits, type Change } from './edit.js'
import type { PassInput, PlannedNic } from './pass.js'
import { hugepages } from './passes/hugepages.js'
import { memoryLock } from './passes/memory-lock.js'
import { nicAssignment } from './passes/nic-assignment.js'
import { applyRules } from './passes/rules.js'
import { sharedMemory } from './passes/shared-memory.js'
import { threadNames } from './passes/thread-names.js'
import type { Request } from './request.js'
import { type ReadConfig, unseenWarnings } from './unseen.js'

/** What becomes of a command line, and why. */
export interface Plan {
  /** Absolute path of the real QEMU. */
  readonly emulator: string
  /** QEMU's architecture name. */
  readonly arch: string
  /** Every word after the emulator; a word with a position is the launcher's own "$@" at that place. */
  readonly words: readonly Word[]
  readonly line: CommandLine
  /** The command line as it came, for a diff. */
  readonly before: CommandLine
  readonly changes: readonly Change[]
  readonly nics: readonly PlannedNic[]
  readonly warnings: readonly string[]
  readonly profile: string | null
  readonly guest: Request['guest']
}

/** Facts that the plan is made from, besides the request: all of them read before. */
export interface PlanFacts {
  readonly policy: Policy
  readonly host: HostFacts
  readonly readConfigs: readonly ReadConfig[]
}

/** The passes in their order; the rules come after them, one by one. */
const PASSES = [nicAssignment, sharedMemory, hugepages, memoryLock, threadNames]

/**
 * Makes the plan. Pure: the same request and facts give the same plan on any machine, and a plan made of a plan's own
 * output changes nothing.
 * @throws {UserError} for what the user can mend; see src/errors
 */
export function makePlan(request: Request, { policy, host, readConfigs }: PlanFacts): Plan {
  checkHostCpus(policy, host.presentCpus)
  const emulator = chooseEmulator(request, policy)
  const domain = matchDomain(policy, request.guest)
  const profile = chooseProfile(policy, request, domain)
  const arch = emulatorArch(emulator) ?? emulatorArch(request.defaultEmulator) ?? 'x86_64'
  const base = { policy, host, profile, domain, nics: request.nics, arch }
  const passed = runPasses(request.line, base)
  const ruled = applyRules({ ...base, line: passed.line })
  return {
    emulator,
    arch,
    words: renderWords(ruled.line),
    line: ruled.line,
    before: request.line,
    changes: [...passed.changes, ...ruled.changes],
    nics: passed.nics,
    warnings: [
      ...passed.warnings,
      ...unseenWarnings(ruled.line, readConfigs),
      ...flavorWarnings(policy),
      ...notYetApplied(profile),
    ],
    profile: profile?.name ?? null,
    guest: request.guest,
  }
}

function runPasses(line: CommandLine, base: Omit<PassInput, 'line'>) {
  let current = line
  const changes: Change[] = []
  const nics: PlannedNic[] = []
  const warnings: string[] = []
  for (const pass of PASSES) {
    const result = pass.run({ ...base, line: current })
    const applied = applyEdits(current, pass.name, result.edits)
    current = applied.line
    changes.push(...applied.changes)
    nics.push(...(result.nics ?? []))
    warnings.push(...(result.warnings ?? []))
  }
  return { line: current, changes, nics, warnings }
}

/** QEMU's architecture name in an emulator's path: `x86_64` of /usr/bin/qemu-system-x86_64; null when it has none. */
export function emulatorArch(path: string): string | null {
  return /qemu-(?:rt-)?system-([a-z0-9_]+)$/.exec(path)?.[1] ?? null
}

function chooseEmulator(request: Request, policy: Policy): string {
  const arch = emulatorArch(request.defaultEmulator)
  const configured = arch === null ? undefined : policy.emulators[arch]
  return request.emulator ?? configured ?? request.defaultEmulator
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

/** Settings that the configuration may have and this version does not carry out: said rather than passed over. */
function notYetApplied(profile: PassInput['profile']): string[] {
  if (profile === null) return []
  const { vcpus, emulator, iothreads, workers, vhost } = profile.settings
  const settings = { vcpus, emulator, iothreads, workers, vhost }
  const ignored = Object.entries(settings).flatMap(([key, value]) => (value === null ? [] : [key]))
  return ignored.length === 0
    ? []
    : [`profile '${profile.name}': ${ignored.join(', ')} not applied by this version`]
}
