import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import { findConfig } from '../config/find.js'
import { loadPolicy } from '../config/load.js'
import type { Policy } from '../config/policy.js'
import { emulatorArch, emulatorOfArch, emulatorOfEntry } from '../emulator/names.js'
import { isWrapper } from '../emulator/wrapper.js'
import type { HostFacts } from '../host/facts.js'
import { plannerFor } from '../launch/prepare.js'
import { type Ask, askOf } from '../plan/ask.js'
import { isVfioDriver, obstacleToBinding } from '../plan/nics/readiness.js'
import { NOTHING_KNOWN } from '../plan/nics/uses.js'
import { checkIdentity, checkOwnConfig } from '../plan/own-settings.js'
import type { Plan } from '../plan/plan.js'
import { type Request, readRequest } from '../plan/request.js'
import { readLeases } from '../record/leases/read.js'
import { type Domain, readDomain } from './domain.js'
import { madeArguments } from './made-command.js'
import { nativeCommand } from './virsh.js'
import { childOf } from './xml.js'

export interface DomainOptions {
  readonly config?: string
  readonly profile?: string
  readonly sysroot: string
}

/** What becomes of a domain with the wrapper. */
export interface PlannedDomain {
  readonly domain: Domain
  readonly policy: Policy
  /** What applies to it. */
  readonly ask: Ask
  readonly plan: Plan
  /** What a person should know of how the plan was made, a line each. */
  readonly notes: readonly string[]
}

/**
 * Plans the launch of a domain: with the command line that libvirt makes for it where libvirt can be asked, and with the
 * devices that its hook would get ready.
 * @param source the file's name, for messages
 * @throws {UserError} exit 65 when it is no domain, and what the planner throws
 */
export async function planDomain(
  xml: string,
  source: string,
  options: DomainOptions,
): Promise<PlannedDomain> {
  const domain = readDomain(xml, source)
  const entry = basename(domain.emulator ?? 'qemu-system-x86_64')
  const own = findConfig(undefined, domain.env)
  if (!options.config) checkOwnConfig(own)
  const config = options.config || !own.explicit ? findConfig(options.config, process.env) : own
  const policy = await loadPolicy({ ...config, emulatorMode: false })
  const command = await nativeCommand(withRealEmulator(xml, domain, policy))
  const isMade = typeof command === 'string'
  const args = isMade ? madeArguments(domain) : command.args
  const profile = options.profile === undefined ? [] : ['--profile', options.profile]
  const read = readRequest({
    entry: 'qemu-rt',
    args: ['run', '--sysroot', options.sysroot, ...profile, '--', ...args],
    env: domain.env,
    hostArch: process.arch,
  })
  const request: Request = {
    ...read,
    entry: 'emulator',
    defaultEmulator: emulatorOfEntry(entry),
  }
  checkIdentity(request)
  const { isAsked: _, ...asked } = domain.request
  const ask = askOf(request, policy, { asked, record: null })
  const toBind = new Set<string>()
  const hostAs = (host: HostFacts) => asPrepared(host, toBind)
  const held = readLeases(options.sysroot, options.sysroot === '/' ? 'check' : 'assume').held
  // It may run now; libvirt's names are unique.
  const plan = plannerFor(request, policy, { ask, hostAs })(held.filter(({ guest }) => guest !== domain.name))
  return {
    domain,
    policy,
    ask,
    plan,
    notes: [...aboutEmulator(domain), ...aboutCommand(isMade ? command : null), ...bindings(plan, toBind)],
  }
}

/** The text with an `<emulator>` that libvirt can ask for its capabilities, where the wrapper is not installed. */
function withRealEmulator(xml: string, { root, emulator }: Domain, policy: Policy): string {
  const element = childOf(childOf(root, 'devices'), 'emulator')
  if (element === null || emulator === null || existsSync(emulator)) return xml
  const arch = emulatorArch(emulator) ?? 'x86_64'
  const real = emulatorOfArch(arch, policy.emulators)
  return `${xml.slice(0, element.start)}<emulator>${real}</emulator>${xml.slice(element.end)}`
}

/** The host as the hook leaves it: what can be bound is bound. */
function asPrepared(host: HostFacts, toBind: Set<string>): HostFacts {
  const { useOf = NOTHING_KNOWN } = host
  const pci = host.pci.map((device) => {
    if (isVfioDriver(device.driver) || obstacleToBinding(device, host.pci, useOf) !== null) return device
    toBind.add(device.address)
    const vfioNode = device.vfioNode && { ...device.vfioNode, access: 'ok' as const }
    return { ...device, driver: 'vfio-pci', vfioNode }
  })
  return { ...host, pci }
}

function aboutEmulator({ emulator }: Domain): string[] {
  if (emulator !== null && isWrapper(emulator)) return []
  const named = emulator === null ? 'the domain names no <emulator>' : `<emulator> is ${emulator}`
  return [
    `${named}: none of this is done unless it is the wrapper, such as /usr/local/bin/qemu-rt-system-x86_64`,
  ]
}

function aboutCommand(failure: string | null): string[] {
  if (failure === null) return []
  return [
    'libvirt could not be asked for the command line, so its main parts alone are made here, without -cpu, -accel and ' +
      `most devices: ${failure}`,
  ]
}

function bindings({ nics }: Plan, toBind: ReadonlySet<string>): string[] {
  return nics
    .filter(({ address }) => toBind.has(address))
    .map(
      ({ name, address }) => `NIC '${name}', ${address}, is not on vfio-pci yet: libvirt's hook sees to it`,
    )
}
