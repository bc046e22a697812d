import type { CpuSet } from '../../units/cpu-set.js'

/** Threads of the kernel's that must run before vCPUs on the same CPU: by name, and by how much. */
export interface KernelThreadKind {
  /** Of the check. */
  readonly id: string
  /** Before the slash of a thread's name, for pgrep. */
  readonly names: string
  readonly above: number
  /** Whether there is one on each CPU, or it may run on any. */
  readonly isPerCpu: boolean
}

export const KSOFTIRQD: KernelThreadKind = {
  ...{ id: 'threads.ksoftirqd', names: 'ksoftirqd' },
  ...{ above: 1, isPerCpu: true },
}
export const KTIMERS: KernelThreadKind = {
  ...{ id: 'threads.ktimers', names: 'ktimers|ktimersoftd' },
  ...{ above: 2, isPerCpu: true },
}
export const RCUC: KernelThreadKind = { id: 'threads.rcuc', names: 'rcuc', above: 3, isPerCpu: true }
export const RCUB: KernelThreadKind = { id: 'threads.rcub', names: 'rcub', above: 3, isPerCpu: false }

export const KERNEL_THREADS = [KSOFTIRQD, KTIMERS, RCUC, RCUB]

/** The highest priority of a vCPU that leaves room for the kernel's threads above it. */
export const HIGHEST_VCPU = 95

export const LOWER_VCPUS = `give the vCPUs a priority of ${HIGHEST_VCPU} at most`

/** SCHED_DEADLINE is before all priorities (sched(7)). */
const BEFORE_ALL = 100

/** One figure for what runs before what: 0 for best effort, 1 to 99, and more for a deadline. */
export function rankOf({ policy, priority }: { readonly policy: string; readonly priority: number }): number {
  return policy === 'deadline' ? BEFORE_ALL : priority
}

/** What a thread's name says of it; null for a thread that does not count. The caller knows that it is the kernel's. */
export function kernelThreadOf(
  name: string,
): { readonly kind: KernelThreadKind; readonly cpu: number | null } | null {
  const [, start, number] = /^([a-z]+)\/(\d{1,6})$/.exec(name) ?? []
  const kind = KERNEL_THREADS.find(({ names }) => names.split('|').some((one) => one === start))
  return kind === undefined ? null : { kind, cpu: kind.isPerCpu ? Number(number) : null }
}

/** A thread of the kernel's. */
interface Thread {
  /** The CPU that it is for; null for one that serves several. */
  readonly cpu: number | null
  /** As `rankOf` has it. */
  readonly priority: number
}

/** A real-time vCPU. */
interface Vcpu {
  readonly cpus: CpuSet
  readonly priority: number
}

/** Threads of the kernel's that do not run as long as a vCPU of their CPU is busy: those that are not above it. */
export function keptWaiting<T extends Thread>(threads: readonly T[], vcpus: readonly Vcpu[]): T[] {
  return threads.filter(({ cpu, priority }) =>
    vcpus.some((vcpu) => vcpu.priority >= priority && (cpu === null || vcpu.cpus.includes(cpu))),
  )
}

/** `rcuc/3 (priority 2)`, `ksoftirqd/3 (best effort)`. */
export function kernelThreadText({
  name,
  priority,
}: {
  readonly name: string
  readonly priority: number
}): string {
  return `${name} (${priority === 0 ? 'best effort' : `priority ${priority}`})`
}
