import type { Bytes } from '../units/bytes.js'
import type { CpuSet } from '../units/cpu-set.js'
import type { MacAddress } from '../units/mac.js'
import type { PciAddress } from '../units/pci-address.js'
import type { SmtOff } from '../units/smt.js'
import type { KernelThreadsOf } from './kernel-threads.js'
import type { RealtimeLimits } from './limits.js'
import type { UseOf } from './use/use.js'
import type { InterruptGuard } from './vfio.js'

/** Huge pages of one size. */
export interface HugePages {
  readonly size: Bytes
  /** Pages that no file or memory has, reserved ones taken off: what a new VM can have. */
  readonly free: number
  /** Pages that the kernel may make when there are no free ones, if it finds memory for them: it overcommits. */
  readonly surplus: number
  /** Free pages by NUMA node; the kernel does not say which of them are reserved. */
  readonly freeByNode: Readonly<Record<number, number>>
  /** What a control group leaves of them to this process, which becomes QEMU; absent where none limits it. */
  readonly groupLimit?: GroupLimit
}

/** How many more huge pages a control group may have. */
export interface GroupLimit {
  readonly left: number
  /** The file that says so, without the sysroot. */
  readonly file: string
}

/** What a plan may know of the host. Plain data but for what is asked of the host later, so that a test can make one. */
export interface HostFacts {
  /** Every PCI device, sorted by address. */
  readonly pci: readonly PciDevice[]
  /** Interfaces that are of no PCI device, such as bridges: their names are no NIC's, whoever had them before. */
  readonly otherInterfaces?: readonly string[]
  /** What was found wrong while the saved inventory was checked against the devices, one line each. */
  readonly inventoryWarnings: readonly string[]
  /** Saved NICs that do not count today: a name that means one of them is told why it means none. */
  readonly uncounted?: readonly UncountedEntry[]
  /** null when the host does not say, or they were not asked for. */
  readonly cpus: HostCpus | null
  /** Huge pages by size; null when they were not asked for. */
  readonly hugePages: readonly HugePages[] | null
  /** NUMA nodes that QEMU may take memory from; null or absent when nobody says. */
  readonly memoryNodes?: readonly number[] | null
  /** How much memory QEMU may lock; null when nobody says. */
  readonly memoryLockLimit: Bytes | 'unlimited' | null
  /** What keeps QEMU's threads from being real-time; null or absent when nobody says, or root sets them. */
  readonly realtimeLimits?: RealtimeLimits | null
  /**
   * What the host uses a device for. Only a plan that refuses a device asks, and then the host is looked at: it is much to
   * read. Without it nothing is known.
   */
  readonly useOf?: UseOf
  /** The kernel's own threads of CPUs, for a plan with real-time vCPUs. Without it nothing is known. */
  readonly kernelThreads?: KernelThreadsOf
  /** Whether a process may have a device open by VFIO; for a plan that proposes a device. Without it one may. */
  readonly mayBeOpen?: (device: { readonly address: PciAddress }) => boolean
  /** Addresses of devices that a driver of the host's has, and that are shown as the hook will bind them. */
  readonly toBind?: ReadonlySet<string>
  /** /dev/iommu, which iommufd is opened by; absent where nobody has looked. */
  readonly iommuNode?: VfioNode
  /**
   * The devices that this process was given by open descriptors, by the descriptor's number: a PCI device, or null for
   * another one, as a mediated one. Null where the descriptors are another process's: of a captured host, or in a dry run.
   */
  readonly passed?: Readonly<Record<string, PciAddress | null>> | null
}

/** The host's CPUs. */
export interface HostCpus {
  /** There, online or not. */
  readonly present: CpuSet
  readonly online: CpuSet
  /** How SMT is off, where it is, and CPUs are offline; absent else. `forceoff` stays until the next boot. */
  readonly smt?: SmtOff
  /**
   * Taken out of the scheduler's balancing, at boot (isolcpus=) or by a cgroup that is an isolated partition; null when
   * the host does not say.
   */
  readonly isolated: CpuSet | null
  /** Those of them that cgroups have isolated; absent where none has. */
  readonly isolatedByGroups?: CpuSet
  /** What the cgroup's cpuset leaves to the VM; null when nothing limits it. */
  readonly cpuset: CpuSet | null
  /** CPUs of `cpuset` that `host isolate` keeps until root brings the threads there; absent where this process can, or there is none. */
  readonly reserved?: CpuSet
  /** Cgroups that have taken CPUs for themselves; looked for only where the cpuset keeps CPUs from the VM. */
  readonly partitions?: readonly CpuPartition[]
  /** Sets of CPUs of one kind, the fastest first; empty or absent where all are alike or the host does not say. */
  readonly coreKinds?: readonly CpuSet[]
  /** Sets of CPUs that share a last-level cache; absent where all do or the host does not say. */
  readonly caches?: readonly CpuSet[]
  /** rcutree.kthread_prio= of the kernel's command line; 'default' without it, absent when that cannot be read. */
  readonly rcuPriority?: number | 'default'
  /**
   * What the cgroup leaves to QEMU's first thread, where that has a group of its own, as libvirt's `…/emulator`; null when
   * nothing limits it, absent where nobody has looked.
   */
  readonly startCpuset?: CpuSet | null
  /** CPU → all CPUs of its core, itself included; empty when it was not asked for. */
  readonly siblings: Readonly<Record<number, CpuSet>>
  /** NUMA node → its CPUs; empty when it was not asked for. */
  readonly nodes: Readonly<Record<number, CpuSet>>
  /** NUMA node → how far each node is, in the order of the nodes' numbers; absent where there is one, or nobody says. */
  readonly distances?: NodeDistances
  /**
   * How long real-time threads may run in a second, in microseconds; -1 without a limit (sched(7), "Limiting the CPU
   * usage of real-time and deadline processes"); null when the host does not say.
   */
  readonly realtimeRuntime: number | null
  /** What decides whether that limits threads of no group; absent where there is no limit, or nobody has looked. */
  readonly kernel?: KernelFacts
}

/** As the firmware says: 10 is the node itself (Linux Documentation/ABI/stable/sysfs-devices-node, distance). */
type NodeDistances = Readonly<Record<number, readonly number[]>>

/** The kernel that runs. */
interface KernelFacts {
  /** As /proc/sys/kernel/osrelease has it; null when that is not known. */
  readonly release: string | null
  /** Whether it schedules real-time threads by groups; null when its build configuration is not to be read. */
  readonly hasRealtimeGroups: boolean | null
}

/** A cgroup with CPUs that no other group has (Linux Documentation/admin-guide/cgroup-v2.rst, cpuset.cpus.partition). */
export interface CpuPartition {
  /** Below the mount point: `/rt.slice`. */
  readonly group: string
  /** `root` balances threads between its CPUs, `isolated` does not. */
  readonly kind: 'root' | 'isolated'
  readonly cpus: CpuSet
}

export interface PciDevice {
  readonly address: PciAddress
  /** Four hex digits, lower case. */
  readonly vendor: string
  readonly device: string
  readonly subsystemVendor: string
  readonly subsystemDevice: string
  /** The 24-bit class code: 0x020000 is Ethernet. */
  readonly classCode: number
  readonly driver: string | null
  readonly iommuGroup: number | null
  /** null when the firmware names no node (-1). */
  readonly numaNode: number | null
  /** Interfaces that the kernel driver has made; empty when the device is bound to vfio-pci. */
  readonly interfaces: readonly NetInterface[]
  /** What `nics scan` saw when the kernel driver had the device, if the card is still the same. */
  readonly inventory: InventoryEntry | null
  /** For a virtual function: its physical function and its index there. */
  readonly virtualFunction: { readonly pf: PciAddress; readonly index: number } | null
  /** For a physical function: how many VFs are on (sriov_numvfs) and how many there may be (sriov_totalvfs). */
  readonly sriov: { readonly enabled: number; readonly total: number } | null
  /** Name of the physical slot, from /sys/bus/pci/slots. */
  readonly slot: string | null
  /** PCIe Device Serial Number; null when it has none or this user may not read it. */
  readonly serial: string | null
  /** The /dev/vfio node of the device's group; null when it is in no IOMMU group. */
  readonly vfioNode: VfioNode | null
  /** /dev/vfio/vfio, which QEMU opens that node with; absent where nobody has looked. */
  readonly vfioContainer?: VfioNode
  /** The device's own node, which its driver offers when it is a VFIO driver (Linux 6.1 and later); null or absent without. */
  readonly cdev?: VfioNode | null
  /**
   * Looks for memory to which the firmware has the device's IOMMU group mapped for good: `0xbdf6f000-0xbdf7efff`, or null. Only a
   * device that is to be given is looked at. Absent where nobody can look.
   */
  readonly directRegion?: () => string | null
  /** Looks whether the device has stopped to answer, see `readIsGone`. Asked as that is; absent where nobody can look. */
  readonly isGone?: () => boolean
  /** Looks which modules refuse the device for its interrupts, see `readInterruptGuards`. Asked as `directRegion` is. */
  readonly interruptGuards?: () => readonly InterruptGuard[]
}

export interface NetInterface {
  readonly name: string
  readonly altnames: readonly string[]
  readonly mac: MacAddress | null
  /** Of a port representor: the port of the card's switch that it stands for, `pf0vf1`. */
  readonly port?: string
}

export interface VfioNode {
  /** Path on the host, without the sysroot: `/dev/vfio/12`. */
  readonly path: string
  /** Whether this user can open it for reading and writing. */
  readonly access: 'ok' | 'missing' | 'denied'
}

/** One device in the file that `nics scan` writes. */
export interface InventoryEntry {
  readonly address: PciAddress
  readonly vendor: string
  readonly device: string
  readonly subsystemVendor: string
  readonly subsystemDevice: string
  readonly serial: string | null
  /** The boot that it was saved in, and the bridges above it then; null when an earlier version saved it. */
  readonly bootId: string | null
  readonly bridges: string | null
  readonly interfaces: readonly NetInterface[]
}

/** A saved NIC that does not count, and why. */
export interface UncountedEntry {
  readonly entry: InventoryEntry
  /** `other`: another device is there; `unverified`: nothing shows that it is the same. */
  readonly why: 'gone' | 'moved' | 'other' | 'unverified'
  /** Goes on after the NIC: `is no longer there`. */
  readonly problem: string
  readonly todo: string
}

/** A host of which nothing was read, for plans that need nothing. */
export const EMPTY_HOST: HostFacts = {
  pci: [],
  otherInterfaces: [],
  inventoryWarnings: [],
  uncounted: [],
  cpus: null,
  hugePages: null,
  memoryNodes: null,
  realtimeLimits: null,
  memoryLockLimit: null,
}
