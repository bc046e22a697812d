import { isRealtime } from '../plan/threads/thread-plan.js'
import { describeRole, rolesOf } from '../tune/roles.js'
import { type CpuSet, intersectCpuSets } from '../units/cpu-set.js'
import type { Cpu, CpuUse } from './cpu.js'
import type { VmSnapshot } from './snapshot.js'

/**
 * What must not be on a CPU, in words; empty when all is well. A plan is refused for it at a launch, but the
 * configuration may have been changed since, CPUs taken offline, or a VM started with another configuration.
 */
export function conflictsOf(cpu: Omit<Cpu, 'conflicts'>): string[] {
  return RULES.flatMap((rule) => rule(cpu) ?? [])
}

/** A VM whose vCPUs are real-time where its main thread may run: they may keep it from running for ever. */
export interface StarvedMain {
  readonly label: string
  readonly vcpus: readonly { readonly what: string; readonly cpus: CpuSet }[]
}

/**
 * Finds a VM's vCPUs that are real-time now on CPUs that QEMU's main thread has now, whoever made them so: libvirt's
 * `<vcpusched>` is in no plan.
 * @returns null when there are none
 */
export function starvedMain({ threads, plan }: VmSnapshot, label: string): StarvedMain | null {
  // The main thread is the oldest.
  const [main] = threads
  const roles = rolesOf(threads, plan.threads?.unnamed ?? [])
  const vcpus = [...roles].flatMap(([{ policy, cpus }, role]) => {
    const isVcpu = role.kind === 'vcpu' || role.kind === 'all-vcpus'
    if (!isVcpu || policy === 'deadline' || !isRealtime({ policy })) return []
    return [{ what: `${describeRole(role)} (${policy})`, cpus: intersectCpuSets(cpus, main?.cpus ?? []) }]
  })
  const shared = vcpus.filter(({ cpus }) => cpus.length > 0)
  return shared.length === 0 ? null : { label, vcpus: shared }
}

/** What `starvedMain` has found on one CPU, in words; the plans' own conflicts say it already where they know. */
export function starvedOn(cpu: number, found: readonly StarvedMain[], uses: readonly CpuUse[]): string[] {
  const isKnown = uses.some(hasRealtime) && uses.some(({ others }) => others.includes('emulator'))
  if (isKnown) return []
  return found.flatMap(({ label, vcpus }) => {
    const here = vcpus.filter(({ cpus }) => cpus.includes(cpu)).map(({ what }) => what)
    return here.length === 0
      ? []
      : [`${here.join(', ')} of ${label} where QEMU's main thread is, which it would starve`]
  })
}

type Rule = (cpu: Omit<Cpu, 'conflicts'>) => string | null

const RULES: readonly Rule[] = [
  ({ isOnline, uses }) => (isOnline || uses.length === 0 ? null : `offline, but planned for ${names(uses)}`),
  ({ set, uses }) =>
    set === 'switch' && uses.length > 0 ? `the switch's, but planned for ${names(uses)}` : null,
  ({ set, uses }) => {
    const realtime = uses.filter(hasRealtime)
    if (set !== 'housekeeping' || realtime.length === 0) return null
    return `real-time vCPU of ${names(realtime)} on a housekeeping CPU`
  },
  ({ set, uses }) => {
    const withVcpus = uses.filter(({ vcpus }) => vcpus.length > 0)
    // Best-effort VMs may share housekeeping CPUs: that is what their profile asks for.
    const isMeant = set === 'housekeeping' && !withVcpus.some(hasRealtime)
    return withVcpus.length < 2 || isMeant ? null : `vCPUs of ${names(withVcpus)}`
  },
  ({ uses }) => {
    const realtime = uses.filter(hasRealtime)
    const others = uses.filter((use) => use.others.length > 0)
    if (realtime.length === 0 || others.length === 0) return null
    const kinds = [...new Set(others.flatMap((use) => use.others))].join(', ')
    return `${kinds} of ${names(others)} beside a real-time vCPU of ${names(realtime)}`
  },
]

function hasRealtime({ vcpus }: CpuUse): boolean {
  return vcpus.some(isRealtime)
}

/** How many VMs are named before the others are counted. */
const NAMED_VMS = 3

function names(uses: readonly CpuUse[]): string {
  const labels = uses.map(({ label }) => label)
  const more = labels.length - NAMED_VMS
  if (more <= 1) return labels.join(' and ')
  return `${labels.slice(0, NAMED_VMS).join(', ')} and ${more} other VMs`
}
