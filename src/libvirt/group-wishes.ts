import type { GroupWish } from '../change/cpusets.js'
import type { ThreadPlan } from '../plan/threads/thread-plan.js'
import { unionCpuSets } from '../units/cpu-set.js'
import { emulatorKinds, iothreadNumber } from './contradictions.js'

/** What the groups that libvirt makes for a domain's threads must allow, so that its plan can be carried out. */
export function groupWishes(threads: ThreadPlan): GroupWish[] {
  const { vcpus, iothreads, emulator } = threads
  const emulators = emulatorKinds(threads).map(([, { cpus }]) => cpus ?? [])
  return [
    { group: 'emulator', cpus: unionCpuSets(...emulators), isAll: emulator?.cpus != null },
    ...vcpus.map(({ vcpu, cpus }) => ({ group: `vcpu${vcpu}`, cpus: cpus ?? [], isAll: true })),
    ...iothreads.flatMap(({ id, cpus }) =>
      iothreadNumber(id) === null ? [] : [{ group: id, cpus: cpus ?? [], isAll: true }],
    ),
  ].filter(({ cpus }) => cpus.length > 0)
}
