import type { HostPolicy } from '../config/policy.js'
import type { Level } from '../errors/finding.js'
import type { CheckFacts } from '../host/check/facts.js'
import type { HugePages } from '../host/facts.js'
import type { CpuSet } from '../units/cpu-set.js'

/** What a host that misses it gets: no real time at all (`fail`), a worse one (`warn`), or a hint (`note`). */
export type Severity = 'fail' | 'warn' | 'note'

/** Groups, in the order in which they are printed. */
export const GROUPS = [
  'kernel',
  'boot',
  'isolation',
  'scheduler',
  'threads',
  'interrupts',
  'memory',
  'kvm',
  'power',
  'devices',
  'install',
  'configuration',
  'evidence',
] as const

export type Group = (typeof GROUPS)[number]

/** By what a value is set. */
export const FIXED_BY = {
  'command-line': "the kernel's command line",
  sysctl: 'a file in /etc/sysctl.d',
  boot: 'a write at each boot (tmpfiles.d or a unit)',
  module: 'a file in /etc/modprobe.d or /etc/modules-load.d',
  kernel: 'another kernel',
  firmware: 'the firmware',
  system: 'a package, a service or a command',
  configuration: "qemu-rt's configuration",
} as const

export type FixedBy = keyof typeof FIXED_BY

/** What the CPUs of this host are for. */
export interface Sets {
  /** `[host] realtime`; where it is not configured, the isolated CPUs. */
  readonly realtime: CpuSet
  /** `[host] switch`; empty where there is none. */
  readonly switches: CpuSet
  /** `[host] housekeeping`; where it is not configured, the CPUs that are for nothing else. */
  readonly housekeeping: CpuSet
  /** Real-time CPUs and the switch's: no other work is for them. All others stay as they are, named in `[host]` or not. */
  readonly reserved: CpuSet
  readonly online: CpuSet
  /** The highest real-time priority that a profile gives a vCPU; null when none does. */
  readonly vcpuPriority: number | null
}

/** A profile, as far as the host has to bear it. */
export interface ProfileNeeds {
  readonly name: string
  /** Priority of its real-time vCPUs; null when they are best effort. */
  readonly priority: number | null
  readonly hugepages: string | null
  readonly lockMemory: boolean
}

/** A NIC of the configuration, looked up on this host. */
interface NicNeeds {
  readonly name: string
  /** Why it stands for no device; null when it does. */
  readonly error: string | null
  /** NUMA nodes of its devices. */
  readonly nodes: readonly number[]
  /** What keeps its devices from being given to a VM, each with what to do. */
  readonly obstacles: readonly string[]
}

/** All that a check may know. */
export interface Subject {
  readonly facts: CheckFacts
  readonly sets: Sets
  readonly configured: HostPolicy
  readonly profiles: readonly ProfileNeeds[]
  readonly nics: readonly NicNeeds[]
  /** `[[domain]]` entries whose profile or NICs the configuration does not have. */
  readonly domainProblems: readonly string[]
  readonly hugePages: readonly HugePages[]
  /** NUMA node → its CPUs. */
  readonly nodes: Readonly<Record<number, CpuSet>>
}

/** What a check finds. */
export interface Verdict {
  readonly level: Level
  /** What is there; for `unknown`, why that is not known. */
  readonly found: string
  /** False for what this host does not have. */
  readonly applies?: boolean
  /** In place of the check's own fix. */
  readonly fix?: string
}

/** One row of the table. */
export interface Check {
  /** Permanent: scripts, docs and tickets name it. */
  readonly id: string
  readonly group: Group
  readonly severity: Severity
  /** Goes on after "Checking": `for a PREEMPT_RT kernel`. */
  readonly look: string
  /** Files that are read; `*` stands for any part of one name. */
  readonly reads: readonly string[]
  /** Files whose owner and mode are looked at. */
  readonly owners?: readonly string[]
  /** What else is looked at, in words. */
  readonly also?: string
  /** Whether it is about the real-time CPUs: without any nothing is known. */
  readonly isAboutRealtime?: boolean
  readonly wanted: (sets: Sets) => string
  readonly judge: (subject: Subject) => Verdict
  readonly why: string
  readonly fixedBy: FixedBy | null
  /** Safe to follow as it stands; empty when there is nothing to do. */
  readonly fix: (sets: Sets) => string
  readonly source: string
  /** Where a profile of tuned's would set it: section and key of tuned.conf. */
  readonly tuned?: readonly (readonly [section: string, key: string])[]
}
