import { lstatSync } from 'node:fs'
import { findGroup, type Group } from '../host/cgroup.js'
import { cpusOfGroup } from '../host/cpuset.js'
import { readProc } from '../host/proc.js'
import { errorCode } from '../host/sysfs.js'
import {
  type CpuSet,
  formatCpuSet,
  intersectCpuSets,
  subtractCpuSets,
  unionCpuSets,
} from '../units/cpu-set.js'
import { type WriteSysfs, writeSysfs } from './driver.js'
import { lend } from './reserve.js'

/** CPUs that a group of libvirt's must allow. */
export interface GroupWish {
  /** `emulator`, `vcpu0`, `iothread1` (https://libvirt.org/cgroups.html). */
  readonly group: string
  readonly cpus: CpuSet
  /** Whether all of the group's threads are meant; else what the group has stays in it. */
  readonly isAll: boolean
}

/**
 * Widens the cpusets of a libvirt domain's groups where they do not allow what is planned. Which groups these are the kernel
 * says of the process: libvirt has put it into `…/emulator`, and no process can leave its group without root's word. A group
 * that allows what is planned, or that is not there, is left alone.
 * @param pid of the domain's QEMU, by root's record
 * @param root the sysroot, for tests
 * @returns what stays too narrow and why, a line each
 */
export function setMachineCpus(
  pid: number,
  wishes: readonly GroupWish[],
  root = '',
  write: WriteSysfs = writeSysfs,
): string[] {
  const machine = machineOf(pid, root)
  if (machine === null) return []
  return wishes.flatMap(
    (wish) => widen(root, { ...machine, path: `${machine.path}/${wish.group}` }, wish, write) ?? [],
  )
}

const EMULATOR = '/emulator'

/** The group that libvirt's groups of a domain are in; null where QEMU is in none of libvirt's. */
function machineOf(pid: number, root: string): Group | null {
  const cgroup = readProc(`${root}/proc/${pid}/cgroup`) ?? ''
  const own = findGroup('cpuset', cgroup, readProc(`${root}/proc/self/mountinfo`) ?? '')
  if (own === null || !own.path.endsWith(EMULATOR)) return null
  // So the kernel writes of a group above the reader's namespace (cgroup_namespaces(7)): no way from the mount point.
  if (own.path.split('/').includes('..')) return null
  // A user whom a part of the hierarchy was delegated to may call a group of his so.
  if (root === '' && lstatSync(`${own.mountPoint}${own.path}`, { throwIfNoEntry: false })?.uid !== 0)
    return null
  return { ...own, path: own.path.slice(0, -EMULATOR.length) }
}

/**
 * Gives the groups of a domain's vCPUs and I/O threads their CPUs from the reserve of `host isolate`, as isolated partitions.
 * Where there is no reserve, or it does not have them, nothing is done.
 * @param pid as for `setMachineCpus`
 * @returns what is not isolated and why, a line each
 */
export function lendMachineCpus(
  pid: number,
  wishes: readonly GroupWish[],
  root = '',
  write: WriteSysfs = writeSysfs,
): string[] {
  const machine = machineOf(pid, root)
  if (machine?.version !== 2) return []
  const at = { root, mountPoint: machine.mountPoint }
  const seen: number[] = []
  return wishes.flatMap(({ group, cpus, isAll }) => {
    const path = `${machine.path}/${group}`
    if (!isAll || `/${group}` === EMULATOR || !isThere(`${root}${machine.mountPoint}${path}`)) return []
    const shared = intersectCpuSets(cpus, seen)
    seen.push(...cpus)
    if (shared.length > 0)
      return [`CPU ${formatCpuSet(shared)} is for several threads of this VM, which cannot share a partition`]
    const lent = lend(at, path, cpus, write)
    if (lent === null || lent.problem === null) return []
    return [`CPU ${formatCpuSet(lent.cpus)} is not isolated for its group ${path}: ${lent.problem}`]
  })
}

function widen(root: string, group: Group, { cpus, isAll }: GroupWish, write: WriteSysfs): string | null {
  const directory = `${root}${group.mountPoint}${group.path}`
  if (!isThere(directory)) return null
  const before = cpusOfGroup(root, group)
  if (before === null || subtractCpuSets(cpus, before).length === 0) return null
  const path = `${directory}/cpuset.cpus`
  const stays = (now: CpuSet, why: string) =>
    `the cpuset of its group ${group.path} stays ${formatCpuSet(now)}, and the plan has CPU ${formatCpuSet(cpus)}: ${why}`
  if (!isThere(path)) return stays(before, 'the group has no cpuset controller, and the one above limits it')
  try {
    write(path, formatCpuSet(isAll ? cpus : unionCpuSets(before, cpus)))
  } catch (error) {
    return stays(before, `it cannot be written (${errorCode(error) ?? String(error)})`)
  }
  const after = cpusOfGroup(root, group) ?? []
  const missing = subtractCpuSets(cpus, after)
  return missing.length === 0
    ? null
    : stays(after, `a group above it, or another partition, keeps CPU ${formatCpuSet(missing)}`)
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}
