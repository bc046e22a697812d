import { closeSync, constants, fstatSync, openSync, readFileSync, statSync } from 'node:fs'
import { loadPolicy } from '../config/load.js'
import type { Policy } from '../config/policy.js'
import type { HostFacts } from '../host/facts.js'
import { readHostFacts, type WantedFacts } from '../host/read.js'
import { chooseProfile, matchDomain } from '../plan/domain.js'
import type { HeldLease } from '../plan/leases.js'
import { asksForNics } from '../plan/nics/requests.js'
import { makePlan, type Plan } from '../plan/plan.js'
import type { Request } from '../plan/request.js'
import { placesThreads } from '../plan/threads/plan-threads.js'
import { type ReadConfig, readConfigPaths } from '../plan/unseen.js'
import type { HookRequest } from '../record/hook-request.js'
import { readHookRequest } from '../record/hook-requests.js'
import { readLeases } from '../record/leases/read.js'

/**
 * Reads what a request's plan needs (configuration, host facts, `-readconfig` files) and makes the plan.
 * @throws {UserError} see `loadPolicy`, `readHostFacts` and `makePlan`
 */
export async function preparePlan(request: Request): Promise<Plan> {
  const isThisHost = request.sysroot === '/'
  const planner = await preparePlanner(request)
  return planner(readLeases(request.sysroot, isThisHost ? 'check' : 'assume').held)
}

/** As `preparePlan`, but makes the plan when it is known what other VMs hold, and again when that has changed. */
export async function preparePlanner(request: Request): Promise<Planner> {
  const { path, explicit } = request.config
  const policy = await loadPolicy({ path, explicit, emulatorMode: request.entry === 'emulator' })
  return plannerFor(request, policy)
}

/** What a planner may be given instead of what it would find. */
interface Given {
  /** Where relative paths of `-readconfig` start, instead of the working directory, which may be gone. */
  readonly directory?: string
  /** What libvirt's hook would leave. */
  readonly hook?: HookRequest
  /** The host as it will be. */
  readonly hostAs?: (host: HostFacts) => HostFacts
}

export type Planner = (held: readonly HeldLease[]) => Plan

/**
 * As `preparePlanner`, with a policy that was read before.
 */
export function plannerFor(request: Request, policy: Policy, given: Given = {}): Planner {
  const readConfigs = readConfigFiles(request, given.directory ?? '.')
  const hook = given.hook ?? readHookRequest(request.sysroot, request.guest.uuid)
  const seen = readHostFacts(request.sysroot, wantedFacts(request, policy, hook))
  const host = given.hostAs?.(seen) ?? seen
  return (held) => {
    const others = held.filter(({ uuid }) => uuid === undefined || uuid !== hook?.uuid)
    return makePlan(request, { policy, host, readConfigs, held: others, hook })
  }
}

/** A VM pays only for the facts that its plan looks at. */
function wantedFacts(request: Request, policy: Policy, hook: HookRequest | null): WantedFacts {
  const domain = matchDomain(policy, request.guest, hook)
  const settings = chooseProfile(policy, request.profile, domain)?.settings
  return {
    pci: asksForNics(request.line, { nics: request.nics, domain: domain?.nics ?? null }),
    cpus: Object.values(policy.host).some((cpus) => cpus !== null),
    topology: settings !== undefined && placesThreads(settings),
    memory: settings !== undefined && (settings.hugepages !== null || settings.lockMemory === true),
  }
}

function readConfigFiles(request: Request, directory: string): ReadConfig[] {
  return readConfigPaths(request.line).map((path) => {
    try {
      return { path, text: readRegularFile(path.startsWith('/') ? path : `${directory}/${path}`) }
    } catch {
      // QEMU itself reports a file that it cannot read.
      return { path, text: null }
    }
  })
}

/** Longer than any `-readconfig` file. */
const MAX_CONFIG_BYTES = 1 << 20

/**
 * Null for whatever is no file: what comes out of a pipe once (`-readconfig <(…)`, /dev/fdset/…) is QEMU's to read, and
 * merely opening a device may do something (/dev/watchdog).
 */
function readRegularFile(path: string): string | null {
  if (!statSync(path).isFile()) return null
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const stat = fstatSync(file)
    return stat.isFile() && stat.size <= MAX_CONFIG_BYTES ? readFileSync(file, 'utf8') : null
  } finally {
    closeSync(file)
  }
}
