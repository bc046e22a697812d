import { loadPolicy } from '../../config/load.js'
import { onlyRootWrites } from '../../config/ownership.js'
import type { Policy } from '../../config/policy.js'
import { UserError } from '../../errors/user-error.js'
import type { HostFacts, PciDevice } from '../../host/facts.js'
import { readHostFacts } from '../../host/read.js'
import { openSysroot } from '../../host/sysroot.js'
import { hostUseOf } from '../../host/use/host-use.js'
import { type Ask, askOf } from '../../plan/ask.js'
import type { HeldLease } from '../../plan/leases.js'
import type { Assignment } from '../../plan/nics/assign.js'
import { obstacleToBinding } from '../../plan/nics/readiness.js'
import { checkOwnEmulator, checkOwnSettings } from '../../plan/own-settings.js'
import { assignRequested, plannedNics } from '../../plan/passes/nic-assignment.js'
import { type Request, readRequest } from '../../plan/request.js'
import { type PlannedThreads, placesThreads, planThreads } from '../../plan/threads/plan-threads.js'
import type { DomainRequest } from '../../record/vm.js'
import type { Domain } from '../domain.js'
import { madeArguments } from '../made-command.js'

/** All that says what a domain gets, read once. */
export interface DomainAsk extends Ask {
  readonly request: Request
  readonly policy: Policy
}

/** What a domain gets of this host. */
export interface Decision {
  readonly nics: readonly Assignment[]
  readonly threads: PlannedThreads | null
}

/**
 * Finds out what applies to a domain, by the configuration and by its XML as far as the configuration lets it ask.
 * @param asked what its metadata asks for
 * @param configDirectory where a domain may name a configuration
 * @throws {UserError} what the wrapper would say: exit 64 or 65 for what cannot be read, 77 or 78 for the configuration
 */
export async function askOfDomain(
  domain: Domain,
  emulator: string,
  asked: DomainRequest,
  configDirectory?: string,
): Promise<DomainAsk> {
  const request = readRequest({
    entry: emulator.slice(emulator.lastIndexOf('/') + 1),
    args: madeArguments(domain),
    env: domain.env,
    hostArch: process.arch,
  })
  checkOwnSettings(request, configDirectory)
  const { path, explicit } = request.config
  const policy = await loadPolicy({ path, explicit, emulatorMode: true })
  checkOwnEmulator(request.emulator, policy, onlyRootWrites)
  return { request, policy, ...askOf(request, policy, { asked, record: null }) }
}

/** Reads the host as far as a decision looks at it. A VM's threads are in a group of libvirt's, not in this process's. */
export function factsFor({ profile, wantsNics, policy }: DomainAsk, sysroot: string): HostFacts {
  const cpus = profile !== null && placesThreads(profile.settings)
  const hasSets = Object.values(policy.host).some((set) => set !== null)
  return readHostFacts(sysroot, { pci: wantsNics, cpus: cpus || hasSets, topology: cpus, machines: true })
}

/**
 * Chooses NICs and CPUs for a domain.
 * @param held what other VMs hold, by root's word
 * @param claimed what other users' launches say that they hold: it is kept away from where there is another choice
 * @throws {UserError} exit 69 when the host cannot give what is asked for
 */
export function decide(
  ask: DomainAsk,
  host: HostFacts,
  sysroot: string,
  held: readonly HeldLease[],
  claimed: readonly HeldLease[],
): Decision {
  try {
    return decideBeside(ask, host, sysroot, [...held, ...claimed])
  } catch (error) {
    if (!(error instanceof UserError && claimed.length > 0)) throw error
    return decideBeside(ask, host, sysroot, held)
  }
}

function decideBeside(
  { request, policy, domain, profile, wantsNics }: DomainAsk,
  host: HostFacts,
  sysroot: string,
  held: readonly HeldLease[],
): Decision {
  const useOf = hostUseOf(openSysroot(sysroot))
  const obstacleOf = (device: PciDevice, pci: readonly PciDevice[]) => obstacleToBinding(device, pci, useOf)
  const { line, nics: asked } = request
  const nics = wantsNics
    ? assignRequested({ line, policy, domain, nics: asked, host, held, assigned: [] }, obstacleOf)
    : []
  const threads =
    profile && planThreads({ line, policy, host, profile, nics: plannedNics(nics, host.pci), held })
  return { nics, threads }
}
