import type { CpuSet } from '../units/cpu-set.js'
import type { MacAddress } from '../units/mac.js'
import type { PciAddress } from '../units/pci-address.js'

/** Where the configuration is when nobody says. */
export const DEFAULT_CONFIG_PATH = '/etc/qemu-rt/qemu-rt.toml'

/** Where a key stands, for messages: `/etc/qemu-rt/qemu-rt.toml:14`. */
type Place = string

/** The configuration after checking: what the plan reads. Everything is optional; an empty file is a policy. */
export interface Policy {
  /** Architecture → absolute path of the real QEMU. */
  readonly emulators: Readonly<Record<string, string>>
  readonly host: HostPolicy
  readonly nics: Readonly<Record<string, NicPolicy>>
  readonly profiles: Readonly<Record<string, Profile>>
  readonly domains: readonly DomainPolicy[]
  readonly rules: readonly Rule[]
  /** Finds the line of a key for a message, by its path (`['nic', 'fieldbus0']`). Read only when needed. */
  readonly place: (path: readonly (string | number)[]) => Place
}

export interface HostPolicy {
  readonly housekeeping: CpuSet | null
  readonly realtime: CpuSet | null
  readonly switch: CpuSet | null
}

/** One NIC, or with `pool` any of several: all selectors given must match. */
export interface NicSelector {
  readonly mac: MacAddress | null
  readonly address: PciAddress | null
  readonly interface: string | null
  /** The physical function that a virtual function belongs to: interface name, altname, MAC or PCI address. */
  readonly pf: string | null
  /** Index of the virtual function below its physical function. */
  readonly vf: number | null
  readonly id: { readonly vendor: string; readonly device: string } | null
  /** Name of the physical slot in /sys/bus/pci/slots. */
  readonly slot: string | null
  readonly numaNode: number | null
  readonly pool: boolean
}

/** Where the interrupts of assigned devices go; what is null is not said. */
export interface InterruptPolicy {
  /** `vcpu` stands for all CPUs of the VM's vCPUs. */
  readonly cpus: CpuSet | 'housekeeping' | 'vcpu' | null
  /** Of their threads, on PREEMPT_RT: 1 to 99, FIFO. */
  readonly priority: number | null
}

/** One `[nic.NAME]`: what it stands for, who may ask for it, and where its interrupts go. */
export interface NicPolicy extends NicSelector {
  /** Goes before the profile's, key by key. */
  readonly interrupts: InterruptPolicy | null
  readonly givenTo: GivenTo | null
}

/** Which domains may ask for an entry: those that match both, as far as they are said; globs. */
export interface GivenTo {
  readonly domains: readonly string[] | null
  /** Nova's flavors. */
  readonly flavors: readonly string[] | null
}

export type SchedPolicy = 'other' | 'batch' | 'idle' | 'fifo' | 'rr'

/** CPUs for a kind of thread: a set, or a name that stands for one. */
export type CpuChoice = CpuSet | 'auto' | 'housekeeping' | 'realtime'

export interface ThreadProfile {
  readonly cpus: CpuChoice | null
  readonly policy: SchedPolicy | null
  readonly priority: number | null
}

export interface VcpuProfile extends Omit<ThreadProfile, 'cpus'> {
  /** One choice for all vCPUs, a list of which is in the order of the vCPUs; or a set by vCPU number. */
  readonly cpus: CpuChoice | Readonly<Record<number, CpuSet>> | null
  /** Nova's notation: the vCPUs that are not real-time, such as `^0` or `^0-1`. */
  readonly realtimeMask: string | null
  /** Whether vCPUs that can be plugged later have their CPUs from the start, or take them when they are there. */
  readonly hotplug: 'lease' | 'later'
  /** Whether `auto` gives each vCPU a core of its own, whose other CPUs are leased and stay empty. */
  readonly isolatesCores: boolean
}

export interface Profile {
  readonly vcpus: VcpuProfile | null
  readonly emulator: ThreadProfile | null
  /** For every I/O thread, or by I/O thread id. */
  readonly iothreads: ThreadProfile | Readonly<Record<string, ThreadProfile>> | null
  readonly workers: ThreadProfile | null
  readonly vhost: ThreadProfile | null
  /** Threads of `-object thread-context`; null leaves them where the command line has them. */
  readonly threadContexts: ThreadProfile | null
  readonly lockMemory: boolean | null
  /** Page size as written, e.g. `1G`. */
  readonly hugepages: string | null
  readonly share: 'auto' | 'always' | 'never'
  readonly strict: boolean
  /** Of all devices that the VM is given. */
  readonly interrupts: InterruptPolicy | null
  /** Null for every domain. */
  readonly givenTo: GivenTo | null
}

/** What the first `[[domain]]` that matches gives to a VM. */
export interface DomainPolicy {
  readonly name: string | null
  readonly uuid: string | null
  /** Nova's flavor. */
  readonly flavor: string | null
  /** Nova's name of the instance, which its owner has given. */
  readonly instance: string | null
  readonly profile: string | null
  readonly nics:
    | { readonly replace: Readonly<Record<string, string>> }
    | { readonly add: readonly string[] }
    | null
}

/** A general rewriting of one option's argument. */
export interface Rule {
  /** Option name without dashes. */
  readonly option: string
  /** Only for a VM with this profile. */
  readonly profile: string | null
  /** Every key must have this value; a glob is allowed. */
  readonly match: Readonly<Record<string, RuleValue>>
  readonly set: Readonly<Record<string, RuleValue>>
  readonly delete: readonly string[]
  /** Add the option when the command line has none that matches. */
  readonly add: boolean
}

export type RuleValue = string | number | boolean
