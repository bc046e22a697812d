import { existsSync } from 'node:fs'
import type { CommandLine } from '../argv/command-line.js'
import type { Policy } from '../config/policy.js'
import { emulatorArch, emulatorOfArch } from '../emulator/names.js'
import { threadsContradict } from '../errors/libvirt.js'
import type { HostCpus, HostFacts, PciDevice } from '../host/facts.js'
import { openSysroot } from '../host/sysroot.js'
import { plannerFor } from '../launch/prepare.js'
import { readRequestFiles } from '../launch/read-configs.js'
import type { Ask } from '../plan/ask.js'
import { isOnVfio, obstacleToBinding } from '../plan/nics/readiness.js'
import { type Opening, openingOf, vfioDevices } from '../plan/nics/requests.js'
import { NOTHING_KNOWN } from '../plan/nics/uses.js'
import { checkIdentity } from '../plan/own-settings.js'
import type { Plan } from '../plan/plan.js'
import { type Warning, warning } from '../plan/warning.js'
import { readLeases } from '../record/leases/read.js'
import type { PciAddress } from '../units/pci-address.js'
import { askOfDomain, requestOf, usesWrapper } from './ask-domain.js'
import { type Contradiction, contradictionsOf } from './contradictions.js'
import { readCputune } from './cputune.js'
import { checkDevices, unknownToLibvirt, withNodeOf } from './devices.js'
import { type Domain, readDomain } from './domain.js'
import { withPassedHostdevs } from './made-command.js'
import { isQemuConfKnown } from './qemu-conf.js'
import { aboutSharedMemory } from './shared-memory.js'
import { withVhostUserInterfaces } from './vhost-user-devices.js'
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
  /** Devices that the hook gets ready. */
  readonly devices: readonly PciDevice[]
  /** What a person should know of how the plan was made, a line each. */
  readonly notes: readonly string[]
  /** Where libvirt and the plan do not mean the same for a thread. */
  readonly contradictions: readonly Contradiction[]
}

/**
 * Plans the launch of a domain: with the command line that libvirt makes for it where libvirt can be asked, and with the
 * devices that its hook would get ready. What the hook refuses is refused here, but for a missing UUID: libvirt gives one.
 * @param source the file's name, for messages
 * @param configDirectory see `askOfDomain`
 * @throws {UserError} exit 65 when it is no domain, what `askOfDomain` throws, and what the planner throws
 */
export async function planDomain(
  xml: string,
  source: string,
  { config, profile, sysroot }: DomainOptions,
  configDirectory?: string,
): Promise<PlannedDomain> {
  const domain = readDomain(xml, source)
  const isWrapped = usesWrapper(domain)
  const ask = await askOfDomain(domain, configDirectory, { config, env: process.env, profile })
  const { policy } = ask
  const command = await nativeCommand(withRealEmulator(xml, domain, policy))
  const isMade = typeof command === 'string'
  const asked = isMade ? ask.request : requestOf(domain, completed(command.args, domain))
  // libvirt starts QEMU in the root directory.
  const request = readRequestFiles({ ...asked, sysroot }, '', true)
  checkIdentity(request)
  const toBind = new Set<string>()
  let pci: readonly PciDevice[] = []
  let nodes: HostCpus['nodes'] = {}
  const cputune = readCputune(domain.root)
  const emulatorPin = cputune.emulatorPin?.cpus ?? null
  const hostAs = (host: HostFacts) => {
    const prepared = {
      ...asPrepared(host, toBind),
      passed: passedDevices(request.line, domain),
      memoryNodes: cputune.memoryCpuset,
    }
    pci = prepared.pci
    nodes = prepared.cpus?.nodes ?? {}
    return prepared
  }
  const held = readLeases(sysroot, sysroot === '/' ? 'check' : 'assume').held
  // It may run now; libvirt's names are unique.
  const vcpusAtStart = cputune.vcpusAtStart ?? []
  const plan = plannerFor(request, policy, { ask, isMachine: true, emulatorPin, vcpusAtStart, hostAs })(
    held.filter(({ guest }) => guest !== domain.name),
  )
  const contradictions = plan.threads === null ? [] : contradictionsOf(cputune, plan.threads, nodes)
  return {
    domain,
    policy,
    ask,
    plan: { ...plan, warnings: [...plan.warnings, ...asWarnings(contradictions)] },
    contradictions,
    devices: unknownToLibvirt(
      pci
        .filter(({ address }) => plan.nics.some((nic) => nic.address === address))
        .map((device) => withNodeOf(device, openingIn(plan, device))),
      domain,
    ),
    notes: [
      ...(isWrapped ? [] : [notWrapped(domain)]),
      ...aboutCommand(domain, isMade ? command : null),
      ...bindings(plan, toBind),
    ],
  }
}

/**
 * Checks what the hook checks when it gets a domain's devices ready, as far as qemu.conf may be read.
 * @returns what a person should know of that, a line each
 * @throws {UserError} see `checkDevices`
 */
export function checkPlannedDevices({ domain, devices }: PlannedDomain, sysroot: string): string[] {
  if (devices.length === 0) return []
  const root = openSysroot(sysroot)
  if (!isQemuConfKnown(root)) {
    const nodes = devices.flatMap(({ vfioNode }) => vfioNode?.path ?? [])
    return [`whether libvirt shows ${nodes.join(', ')} to QEMU is not known: qemu.conf cannot be read here`]
  }
  checkDevices(devices, domain, root)
  return []
}

/**
 * Refuses what the hook refuses of a domain with a strict profile.
 * @throws {UserError} exit 78 when libvirt would do something else to its threads
 */
export function checkThreads({
  domain: { name },
  plan: { profile, strict },
  contradictions,
}: PlannedDomain): void {
  const texts = contradictions.flatMap(({ text, isSettled }) => (isSettled ? [] : [text]))
  if (strict && texts.length > 0) throw threadsContradict({ guest: name, profile: profile ?? '', texts })
}

function asWarnings(contradictions: readonly Contradiction[]): Warning[] {
  return contradictions.map(({ text }) => warning('contradiction', text))
}

/** The text with an `<emulator>` that libvirt can ask for its capabilities, where the wrapper is not installed. */
function withRealEmulator(xml: string, { root, emulator }: Domain, policy: Policy): string {
  const element = childOf(childOf(root, 'devices'), 'emulator')
  if (element === null || emulator === null || existsSync(emulator)) return xml
  const arch = emulatorArch(emulator) ?? 'x86_64'
  const real = emulatorOfArch(arch, policy.emulators)
  return `${xml.slice(0, element.start)}<emulator>${real}</emulator>${xml.slice(element.end)}`
}

/** What `domxml-to-native` prints, with what it leaves out. */
function completed(args: readonly string[], domain: Domain): string[] {
  return withPassedHostdevs(withVhostUserInterfaces(args, domain.root), domain)
}

function openingIn({ line }: Plan, { address }: PciDevice): Opening['by'] {
  const found = vfioDevices(line).find((one) => one.address === address)
  return openingOf(found?.properties ?? null, line).by
}

/** libvirt opens the devices that it passes when it starts the domain; which they are its XML says. */
function passedDevices(line: CommandLine, { hostdevs }: Domain): Record<string, PciAddress> {
  return Object.fromEntries(
    vfioDevices(line).flatMap(({ id, passed }) => {
      const hostdev = hostdevs.find((one) => one.id === id)
      return passed === null || hostdev === undefined ? [] : [[passed, hostdev.address]]
    }),
  )
}

/** The host as the hook leaves it: what can be bound is bound, and its node is QEMU's user's. */
function asPrepared(host: HostFacts, toBind: Set<string>): HostFacts {
  const { useOf = NOTHING_KNOWN } = host
  const pci = host.pci.map((device) => {
    if (obstacleToBinding(device, host.pci, useOf) !== null) return device
    const isBound = isOnVfio(device)
    if (!isBound) toBind.add(device.address)
    const { vfioNode } = device
    // The node of a bound device is there, or something is wrong that the hook does not mend.
    if (vfioNode === null || (isBound && vfioNode.access === 'missing')) return device
    return {
      ...device,
      driver: isBound ? device.driver : 'vfio-pci',
      vfioNode: { ...vfioNode, access: 'ok' as const },
      ...(device.vfioContainer === undefined || (isBound && device.vfioContainer.access === 'missing')
        ? {}
        : { vfioContainer: { ...device.vfioContainer, access: 'ok' as const } }),
      ...(device.cdev == null ? {} : { cdev: { ...device.cdev, access: 'ok' as const } }),
    }
  })
  return { ...host, pci, toBind }
}

function notWrapped({ emulator }: Domain): string {
  const named = emulator === null ? 'the domain names no <emulator>' : `<emulator> is ${emulator}`
  return `${named}: libvirt would start the domain without this plan; name the wrapper there, such as /usr/local/bin/qemu-rt-system-x86_64`
}

function aboutCommand({ root }: Domain, failure: string | null): string[] {
  if (failure === null) return []
  const memory = aboutSharedMemory(root, failure)
  return [
    ...(memory === null ? [] : [memory]),
    `libvirt made no command line, so qemu-rt planned with its main options only, without -cpu, -accel and most devices: ${failure}`,
  ]
}

function bindings({ nics }: Plan, toBind: ReadonlySet<string>): string[] {
  return nics
    .filter(({ address }) => toBind.has(address))
    .map(
      ({ name, address }) => `NIC '${name}', ${address}, is not on vfio-pci yet: libvirt's hook sees to it`,
    )
}
