import { lendMachineCpus, setMachineCpus } from '../change/cpusets.js'
import { reserveAt } from '../change/isolate/group-steps.js'
import { openSysroot } from '../host/sysroot.js'
import type { ThreadPlan } from '../plan/threads/thread-plan.js'
import { withRootsLock } from '../record/root/lock.js'
import { groupWishes } from './group-wishes.js'

/**
 * Has the groups of a libvirt domain's threads allow what is planned: with CPUs of the reserve of `host isolate`, where there is
 * one, as partitions of their own. A QEMU that is in none of libvirt's groups is left alone.
 * @param pid of QEMU, by root's record
 * @returns what stays too narrow, or is not isolated, and why, a line each
 */
export function giveCpus(pid: number, threads: ThreadPlan): string[] {
  const wishes = groupWishes(threads)
  const isReserved = reserveAt(openSysroot('/')) !== null
  const lent = isReserved ? withRootsLock('/', () => lendMachineCpus(pid, wishes)) : []
  return [...lent, ...setMachineCpus(pid, wishes)]
}
