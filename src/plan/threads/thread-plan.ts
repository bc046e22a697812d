import type { SchedPolicy } from '../../config/policy.js'
import type { CpuSet } from '../../units/cpu-set.js'

/** What one thread is to get; null leaves that as it is. */
export interface ThreadSetting {
  readonly cpus: CpuSet | null
  readonly policy: SchedPolicy | null
  /** 1 to 99 for `fifo` and `rr`, else null. */
  readonly priority: number | null
}

export interface VcpuSetting extends ThreadSetting {
  readonly vcpu: number
}

export interface IothreadSetting extends ThreadSetting {
  readonly id: string
}

/** What every thread of a VM is to get, by its kind as libvirt's cputune has them. */
export interface ThreadPlan {
  /** Every vCPU that the guest may have, those that can be plugged later included. */
  readonly vcpus: readonly VcpuSetting[]
  /** QEMU's main thread, and every thread that is of no other kind. */
  readonly emulator: ThreadSetting | null
  /** In the order of the command line. */
  readonly iothreads: readonly IothreadSetting[]
  readonly workers: ThreadSetting | null
  /** The kernel's vhost threads. */
  readonly vhost: ThreadSetting | null
}

/** Whether a policy puts a thread before every best-effort one (sched(7)). */
export function isRealtime({ policy }: Pick<ThreadSetting, 'policy'>): boolean {
  return policy === 'fifo' || policy === 'rr'
}
