import type { SchedPolicy } from '../../config/policy.js'
import { type CpuSet, formatCpuSet } from '../../units/cpu-set.js'
import type { ThreadObject } from './thread-objects.js'

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
  /** Every vCPU that the guest may have; of those that can be plugged later with `hotplug = "later"` the ones that were. */
  readonly vcpus: readonly VcpuSetting[]
  /** QEMU's main thread, and every thread that is of no other kind. */
  readonly emulator: ThreadSetting | null
  /** In the order of the command line. */
  readonly iothreads: readonly IothreadSetting[]
  readonly workers: ThreadSetting | null
  /** The kernel's vhost threads. */
  readonly vhost: ThreadSetting | null
  /** Thread contexts; absent leaves them on the CPUs that the command line or the monitor gives them. */
  readonly contexts?: ThreadSetting
  /** Objects whose thread QEMU cannot name, in the order of their making; absent for none. */
  readonly unnamed?: readonly ThreadObject[]
}

/** Whether a policy puts a thread before every best-effort one (sched(7)). */
export function isRealtime({ policy }: Pick<ThreadSetting, 'policy'>): boolean {
  return policy === 'fifo' || policy === 'rr'
}

/** Writes a thread plan as the plan's JSON has it: CPUs as lists, keys that say nothing left out. */
export function threadsToJson(plan: ThreadPlan): object {
  const { vcpus, emulator, iothreads, workers, vhost, contexts, unnamed } = plan
  return {
    vcpus: vcpus.map(({ vcpu, ...setting }) => ({ vcpu, ...settingToJson(setting) })),
    emulator: emulator === null ? undefined : settingToJson(emulator),
    iothreads: iothreads.map(({ id, ...setting }) => ({ id, ...settingToJson(setting) })),
    workers: workers === null ? undefined : settingToJson(workers),
    vhost: vhost === null ? undefined : settingToJson(vhost),
    contexts: contexts === undefined ? undefined : settingToJson(contexts),
    unnamed,
  }
}

function settingToJson({ cpus, policy, priority }: ThreadSetting): object {
  return {
    cpus: cpus === null ? undefined : formatCpuSet(cpus),
    policy: policy ?? undefined,
    priority: priority ?? undefined,
  }
}
