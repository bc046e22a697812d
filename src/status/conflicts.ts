import { isRealtime } from '../plan/threads/thread-plan.js'
import type { Cpu, CpuUse } from './cpu.js'

/**
 * What must not be on a CPU, in words; empty when all is well. A plan is refused for it at a launch, but the
 * configuration may have been changed since, CPUs taken offline, or a VM started with another configuration.
 */
export function conflictsOf(cpu: Omit<Cpu, 'conflicts'>): string[] {
  return RULES.flatMap((rule) => rule(cpu) ?? [])
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
