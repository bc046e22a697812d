import type { ThreadObject } from '../plan/threads/thread-objects.js'
import type { Role } from './roles.js'
import type { Thread } from './threads.js'

/**
 * Finds the threads that QEMU cannot name: they bear the main thread's name, and are made in the order of their objects.
 * QEMU makes them all before its vCPUs, and nothing else without a name after the thread of its RCU, which is the first
 * of all. Shown by their number: when there are others without a name, as a library may have made them, none is known.
 * @param threads oldest first, of which the first is the main one
 * @param named what their names say of them
 * @param objects in the order of their making
 * @returns each with its object; none while the first vCPU is not there
 */
export function unnamedThreads(
  threads: readonly Thread[],
  named: ReadonlyMap<Thread, Role>,
  objects: readonly ThreadObject[],
): [Thread, ThreadObject][] {
  if (objects.length === 0) return []
  const firstVcpu = threads.findIndex((one) => isVcpu(named.get(one)))
  const [main, , ...others] = threads.slice(0, Math.max(0, firstVcpu))
  // The RCU's has a name or not: it begins while QEMU does not know yet whether to name threads.
  const without = others.filter(({ name }) => name === main?.name)
  if (without.length !== objects.length) return []
  return without.flatMap((thread, at): [Thread, ThreadObject][] => {
    const object = objects[at]
    return object === undefined ? [] : [[thread, object]]
  })
}

function isVcpu(role: Role | undefined): boolean {
  return role?.kind === 'vcpu' || role?.kind === 'all-vcpus'
}
