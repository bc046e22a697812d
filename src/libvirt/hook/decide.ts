import type { CommandLine } from '../../argv/command-line.js'
import type { Finding } from '../../errors/finding.js'
import type { HostFacts } from '../../host/facts.js'
import { readPciFunction } from '../../host/pci.js'
import { readHostFacts } from '../../host/read.js'
import { openSysroot } from '../../host/sysroot.js'
import { hostUseOf } from '../../host/use/host-use.js'
import { besideClaims } from '../../plan/beside-claims.js'
import {
  type GivenDevice,
  type InterruptSetting,
  planInterrupts,
  saysInterrupts,
} from '../../plan/interrupts.js'
import type { HeldLease } from '../../plan/leases.js'
import type { AssignableHost, Assignment } from '../../plan/nics/assign.js'
import { obstacleToBinding } from '../../plan/nics/readiness.js'
import { vfioDevices } from '../../plan/nics/requests.js'
import { assignRequested, plannedNics } from '../../plan/passes/nic-assignment.js'
import { lineForThreads } from '../../plan/plan.js'
import { heldWarnings } from '../../plan/threads/conflicts.js'
import { type PlannedThreads, placesThreads, planThreads } from '../../plan/threads/plan-threads.js'
import { nearbyDevices } from '../../plan/threads/preferred-nodes.js'
import { realtimeWarnings } from '../../plan/threads/realtime-host.js'
import type { PciAddress } from '../../units/pci-address.js'
import type { DomainAsk } from '../ask-domain.js'
import { type Contradiction, contradictionsOf } from '../contradictions.js'
import type { Cputune } from '../cputune.js'
import type { PciHostdev } from '../domain.js'

/** What a domain gets of this host. */
export interface Decision {
  /** The command line that it was decided by. */
  readonly line: CommandLine
  /** Where libvirt and the plan do not mean the same for a thread. */
  readonly contradictions: readonly Contradiction[]
  /** What keeps the host from being one for its real-time vCPUs. */
  readonly unprepared: readonly Finding[]
  /** Where its threads may run on a CPU that another VM holds. */
  readonly beside: readonly string[]
  readonly nics: readonly Assignment[]
  readonly threads: PlannedThreads | null
  /** Where the interrupts of its devices go. */
  readonly interrupts: readonly InterruptSetting[]
}

/** Reads the host as far as a decision looks at it. A VM's threads are in a group of libvirt's, not in this process's. */
export function factsFor({ profile, wantsNics, policy }: DomainAsk, sysroot: string): HostFacts {
  const cpus = profile !== null && placesThreads(profile.settings)
  const hasSets = Object.values(policy.host).some((set) => set !== null)
  return readHostFacts(sysroot, {
    pci: wantsNics,
    cpus: cpus || hasSets || saysInterrupts(policy, profile),
    topology: cpus,
    memory: profile !== null && profile.settings.hugepages !== null,
    machines: true,
  })
}

/**
 * Chooses NICs and CPUs for a domain, and compares that with what libvirt will do.
 * @param held what other VMs hold, by root's word
 * @param claimed what other users' launches say that they hold: it is kept away from where there is another choice
 * @param kept devices that libvirt gives to the domain beside those NICs
 * @throws {UserError} exit 69 when the host cannot give what is asked for
 */
export function decide(
  ask: DomainAsk,
  cputune: Cputune,
  host: HostFacts,
  sysroot: string,
  held: readonly HeldLease[],
  claimed: readonly HeldLease[],
  kept: (nics: readonly Assignment[]) => readonly PciHostdev[],
): Decision {
  const chosen = besideClaims(held, claimed, (all) => decideBeside(ask, cputune, host, sysroot, all))
  const { policy, profile } = ask
  const threads = chosen.threads?.threads ?? null
  const devices: GivenDevice[] = [
    ...chosen.nics.map(({ request: { name }, device: { address } }) => ({ name, address })),
    ...kept(chosen.nics).map(({ address }) => ({ name: null, address })),
  ]
  return { ...chosen, interrupts: planInterrupts({ devices, policy, profile, threads, cpus: host.cpus }) }
}

function decideBeside(
  { request, policy, domain, profile, wantsNics }: DomainAsk,
  cputune: Cputune,
  host: HostFacts,
  sysroot: string,
  held: readonly HeldLease[],
): Omit<Decision, 'interrupts'> {
  const root = openSysroot(sysroot)
  const useOf = hostUseOf(root)
  const obstacleOf: AssignableHost['obstacleOf'] = (device, pci, opening) =>
    obstacleToBinding(device, pci, useOf, opening)
  const nics = wantsNics
    ? assignRequested(
        { line: request.line, policy, domain, nics: request.nics, host, held, assigned: [] },
        obstacleOf,
      )
    : []
  const line =
    profile === null
      ? request.line
      : lineForThreads(request, { policy, host, held, ask: { domain, profile } })
  const replaced = nics.flatMap(({ request }) => ('device' in request ? [request.device.index] : []))
  const kept = vfioDevices(request.line).filter(({ index }) => !replaced.includes(index))
  const nodeOf = (address: PciAddress) => readPciFunction(root, address)?.numaNode ?? null
  const threads =
    profile &&
    planThreads({
      line,
      policy,
      host: { ...host, memoryNodes: cputune.memoryCpuset },
      profile,
      running: cputune.vcpusAtStart ?? [],
      nics: nearbyDevices(plannedNics(nics, host.pci), kept, nodeOf),
      held,
      emulatorPin: cputune.emulatorPin?.cpus ?? null,
    })
  const contradictions =
    threads === null ? [] : contradictionsOf(cputune, threads.threads, host.cpus?.nodes ?? {})
  const unprepared =
    threads === null || host.cpus === null
      ? []
      : realtimeWarnings(threads.threads, host.cpus, host.kernelThreads, policy.host)
  const beside = threads === null ? [] : heldWarnings(threads.threads, held)
  return { line, nics, threads, contradictions, unprepared, beside }
}
