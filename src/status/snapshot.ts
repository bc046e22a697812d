import type { HostPolicy } from '../config/policy.js'
import type { HostCpus } from '../host/facts.js'
import type { ThreadPlan } from '../plan/threads/thread-plan.js'
import type { VmRecord } from '../record/vm.js'
import type { Thread } from '../tune/threads.js'
import type { CpuSet } from '../units/cpu-set.js'
import type { PciAddress } from '../units/pci-address.js'

/** What the host and its VMs were like at one moment. Plain data, so that a test can make one. */
export interface Snapshot {
  readonly time: Date
  /** Of a clock that nobody sets, to tell how long it was since another snapshot; milliseconds. */
  readonly at: number
  readonly vms: readonly VmSnapshot[]
  /** Whether this user may look at every user's VMs. */
  readonly seesAll: boolean
  /** null when the host does not say which CPUs it has. */
  readonly cpus: HostCpus | null
  /** What the configuration has the host's CPUs for. */
  readonly sets: HostPolicy
}

export interface VmSnapshot {
  readonly pid: number
  /** Its record, and whose word that is: 0 for root's, else the user that launched the VM; null for a VM without a record. */
  readonly plan: VmRecord & { readonly word: number | null }
  /** Of a VM without a record: the threads that somebody has placed, as they are. */
  readonly found?: ThreadPlan | null
  /** Oldest first. */
  readonly threads: readonly Thread[]
  /** null when QEMU has ended meanwhile. */
  readonly usage: Usage | null
  /** Of the devices that it has by VFIO; absent for none. */
  readonly interrupts?: readonly DeviceInterrupts[]
}

/** The interrupts that one device has. */
export interface DeviceInterrupts {
  readonly address: PciAddress
  readonly all: readonly {
    readonly irq: number
    /** Where it goes now. */
    readonly cpus: CpuSet
    /** How often it has come on any CPU. */
    readonly count: number
  }[]
}

/** What a process takes of the host. */
export interface Usage {
  /** Of one CPU, since the snapshot before; null when there was none. */
  readonly cpuPercent: number | null
  /** Resident bytes, without huge pages. */
  readonly memory: number
  /** Bytes in huge pages, which the kernel does not count as resident (proc(5), HugetlbPages). */
  readonly hugePages: number
  readonly uptimeSeconds: number
}
