import type { ThreadObject } from '../plan/threads/thread-objects.js'
import { isRealtime, type ThreadPlan, type ThreadSetting } from '../plan/threads/thread-plan.js'
import { rolesOf } from '../tune/roles.js'
import type { Thread } from '../tune/threads.js'
import { type CpuSet, subtractCpuSets } from '../units/cpu-set.js'

/**
 * The threads of a VM without a record that somebody has placed: by `tune --set`, by libvirt's `<cputune>`, by hand. Those
 * that may run anywhere and are not real-time nobody has placed.
 * @param threads oldest first
 * @param unnamed what its arguments make that QEMU cannot name
 * @param online the host's CPUs; null when they are not known
 */
export function foundThreads(
  threads: readonly Thread[],
  unnamed: readonly ThreadObject[],
  online: CpuSet | null,
): ThreadPlan {
  const roles = [...rolesOf(threads, unnamed)]
  const isPlaced = ({ cpus, policy }: Thread) =>
    subtractCpuSets(online ?? [], cpus).length > 0 || (policy !== 'deadline' && isRealtime({ policy }))
  const settingOf = ({ cpus, policy, priority }: Thread): ThreadSetting => ({
    cpus,
    policy: policy === 'deadline' || policy === 'other' ? null : policy,
    priority: priority > 0 ? priority : null,
  })
  const placed = roles.filter(([thread]) => isPlaced(thread))
  const main = placed.find(([, { kind }]) => kind === 'emulator')
  return {
    vcpus: placed.flatMap(([thread, role]) =>
      role.kind === 'vcpu' ? [{ vcpu: role.vcpu, ...settingOf(thread) }] : [],
    ),
    iothreads: placed.flatMap(([thread, role]) =>
      role.kind === 'iothread' ? [{ id: role.id, ...settingOf(thread) }] : [],
    ),
    emulator: main === undefined ? null : settingOf(main[0]),
    workers: null,
    vhost: null,
    ...(unnamed.length === 0 ? {} : { unnamed }),
  }
}
