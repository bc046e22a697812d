import type { HostPolicy, SchedPolicy } from '../config/policy.js'
import type { CpuSet } from '../units/cpu-set.js'

/** CPUs of the host that are alike: of one node, for one purpose, with the same threads planned there. */
export interface CpuRow extends Cpu {
  readonly cpus: CpuSet
}

export interface Cpu {
  /** null when the host names no nodes. */
  readonly node: number | null
  /** What the configuration has it for. */
  readonly set: keyof HostPolicy | null
  readonly isOnline: boolean
  /** Whether the scheduler leaves it alone (isolcpus=); null when the host does not say. */
  readonly isIsolated: boolean | null
  /** Threads that the plans of running VMs put there. */
  readonly uses: readonly CpuUse[]
  /** What must not be, in words: `vCPUs of plc-1 and plc-2`. */
  readonly conflicts: readonly string[]
}

/** What one VM has on a CPU. */
export interface CpuUse {
  readonly pid: number
  /** As the map names the VM: two of the same name are told apart by their PIDs. */
  readonly label: string
  readonly vcpus: readonly VcpuUse[]
  /** Its other threads: `emulator`, `I/O thread iothread1`, `worker`, `vhost`. */
  readonly others: readonly string[]
}

export interface VcpuUse {
  readonly vcpu: number
  readonly policy: SchedPolicy | null
  readonly priority: number | null
}
