import type { ReadConfig } from '../../src/argv/files.js'
import { parsePolicy } from '../../src/config/parse.js'
import { findingText } from '../../src/errors/finding.js'
import type { HostCpus, HostFacts, PciDevice } from '../../src/host/facts.js'
import { askOf } from '../../src/plan/ask.js'
import type { HeldLease } from '../../src/plan/leases.js'
import { makePlan, type Plan } from '../../src/plan/plan.js'
import { type Request, readRequest } from '../../src/plan/request.js'
import { withRequestFiles } from '../../src/plan/request-files.js'
import type { DomainRequest, VmRecord } from '../../src/record/vm.js'
import { parseCpuSet } from '../../src/units/cpu-set.js'
import { parseMac } from '../../src/units/mac.js'
import { type PciAddress, parsePciAddress } from '../../src/units/pci-address.js'

interface Given {
  /** Options of `run`. */
  readonly options?: readonly string[]
  readonly config?: string
  readonly pci?: readonly PciDevice[]
  readonly cpus?: HostFacts['cpus']
  readonly readConfigs?: readonly ReadConfig[]
  readonly arch?: string
  /** Who asks: a person, unless said otherwise. */
  readonly entry?: Request['entry']
  /** What other VMs hold. */
  readonly held?: readonly HeldLease[]
  /** What the domain's metadata asks for. */
  readonly asked?: DomainRequest
  /** What root has decided. */
  readonly record?: VmRecord
  readonly hugePages?: HostFacts['hugePages']
  readonly memoryNodes?: HostFacts['memoryNodes']
  readonly memoryLockLimit?: HostFacts['memoryLockLimit']
  readonly realtimeLimits?: HostFacts['realtimeLimits'] | undefined
  readonly useOf?: HostFacts['useOf']
  readonly uncounted?: HostFacts['uncounted']
  readonly otherInterfaces?: HostFacts['otherInterfaces']
  readonly mayBeOpen?: HostFacts['mayBeOpen']
  /** Devices that are passed open; nobody can tell, unless said otherwise. */
  readonly passed?: HostFacts['passed']
  readonly kernelThreads?: HostFacts['kernelThreads']
  readonly iommuNode?: HostFacts['iommuNode']
}

/** Plans a command line with facts made up for a test. Throws what a user would see. */
export function planOf(args: readonly string[], given: Given = {}): Plan {
  const request = readRequest({
    entry: 'qemu-rt',
    args: ['run', ...(given.options ?? []), '--', ...args],
    env: {},
    hostArch: 'x64',
  })
  const host: HostFacts = {
    pci: given.pci ?? [],
    inventoryWarnings: [],
    cpus: given.cpus ?? null,
    hugePages: given.hugePages ?? null,
    memoryLockLimit: given.memoryLockLimit ?? null,
    memoryNodes: given.memoryNodes ?? null,
    realtimeLimits: given.realtimeLimits ?? null,
    useOf: given.useOf ?? (() => []),
    uncounted: given.uncounted ?? [],
    otherInterfaces: given.otherInterfaces ?? [],
    mayBeOpen: given.mayBeOpen ?? (() => false),
    passed: given.passed ?? null,
    ...(given.kernelThreads === undefined ? {} : { kernelThreads: given.kernelThreads }),
    ...(given.iommuNode === undefined ? {} : { iommuNode: given.iommuNode }),
  }
  const defaultEmulator = `/usr/bin/qemu-system-${given.arch ?? 'x86_64'}`
  const policy = parsePolicy(given.config ?? '', 'qemu-rt.toml')
  const readConfigs = given.readConfigs ?? []
  const named: Request = { ...request, entry: given.entry ?? 'run', defaultEmulator }
  const asking = withRequestFiles(named, readConfigs)
  const record = given.record ?? null
  return makePlan(asking, {
    policy,
    host,
    held: given.held ?? [],
    ask: askOf(asking, policy, { asked: given.asked ?? record?.asked ?? null, record }),
    record,
  })
}

/** The plan's final arguments. */
export function argv(plan: Plan): string[] {
  return plan.words.map(({ text }) => text)
}

/** The plan's warnings, as a person sees them. */
export function warningsOf(plan: Plan): string[] {
  return plan.warnings.map(findingText)
}

/** `-name` with thread names on, so that a test sees only what it is about. */
export const NAMED = ['-name', 'guest=vm,debug-threads=on']

/** A host's CPUs: all online, each a core of its own, on one NUMA node. */
export function cpusOf(list: string, facts: Partial<HostCpus> = {}): HostCpus {
  const present = parseCpuSet(list) ?? []
  return {
    present,
    online: present,
    isolated: null,
    cpuset: null,
    siblings: Object.fromEntries(present.map((cpu) => [cpu, [cpu]])),
    nodes: { 0: present },
    realtimeRuntime: null,
    ...facts,
  }
}

export function address(text: string): PciAddress {
  const parsed = parsePciAddress(text)
  if (parsed === null) throw new Error(`not a PCI address: ${text}`)
  return parsed
}

/** A NIC that is ready to be given away: an I350 on vfio-pci, alone in its group, that `nics scan` remembers. */
export function readyNic(at: string, name: string, mac: string, facts: Partial<PciDevice> = {}): PciDevice {
  const group = Number.parseInt(at.replace(/\D/g, ''), 10)
  const identity = {
    address: address(at),
    vendor: '8086',
    device: '1521',
    subsystemVendor: '8086',
    subsystemDevice: '0001',
    serial: null,
  }
  return {
    ...identity,
    classCode: 0x020000,
    driver: 'vfio-pci',
    iommuGroup: group,
    numaNode: 0,
    interfaces: [],
    inventory: {
      ...identity,
      bootId: null,
      bridges: null,
      interfaces: [{ name, altnames: [`${name}alt`], mac: parseMac(mac) }],
    },
    virtualFunction: null,
    sriov: null,
    slot: null,
    vfioNode: { path: `/dev/vfio/${group}`, access: 'ok' },
    ...facts,
  }
}

/** Four equal NICs on four networks. */
export const FOUR_NICS: readonly PciDevice[] = [0, 1, 2, 3].map((n) =>
  readyNic(`0000:03:00.${n}`, `ens1f${n}`, `a0:36:9f:00:00:0${n}`),
)

/** The same with the NIC at a place changed. */
export function withNic(index: number, facts: Partial<PciDevice>): PciDevice[] {
  return FOUR_NICS.map((nic, at) => (at === index ? { ...nic, ...facts } : nic))
}
