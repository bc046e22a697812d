import { existsSync } from 'node:fs'
import { errorCode, listDirectory, readAttribute } from '../host/sysfs.js'
import {
  type CpuSet,
  formatCpuSet,
  intersectCpuSets,
  parseCpuSet,
  RESERVE,
  subtractCpuSets,
  unionCpuSets,
} from '../units/cpu-set.js'
import type { WriteSysfs } from './driver.js'

/*
 * `host isolate` keeps real-time CPUs in a group of its own, the reserve, which is an isolated partition. The threads of a
 * VM of libvirt's cannot join it: all threads of a process are below one domain group (Linux
 * Documentation/admin-guide/cgroup-v2.rst, "Threads"), and libvirt's is its own. So a CPU is lent: it leaves the reserve, and
 * the vCPU's group becomes a partition, a "remote" one since the groups above it are none.
 */

/** A cgroup v2 hierarchy. */
export interface Hierarchy {
  /** Beneath a sysroot, for tests. */
  readonly root: string
  readonly mountPoint: string
}

/** CPUs for a group, and what the kernel says against it. */
export interface Lent {
  readonly cpus: CpuSet
  /** In the kernel's words; null when the group is an isolated partition. */
  readonly problem: string | null
}

const CPUS = 'cpuset.cpus'
const EFFECTIVE = 'cpuset.cpus.effective'
const EXCLUSIVE = 'cpuset.cpus.exclusive'
const PARTITION = 'cpuset.cpus.partition'
const ISOLATED = 'cpuset.cpus.isolated'

/** The CPUs that the reserve has now, valid or not; null where it is not there. */
export function reserveOf(at: Hierarchy): CpuSet | null {
  return isThere(at, RESERVE) ? cpusIn(at, `${RESERVE}/${CPUS}`) : null
}

/** The CPUs of a group; null where it is not there, or is no isolated partition and is to be one. */
export function cpusOfPartition(at: Hierarchy, group: string, isPartition: boolean): CpuSet | null {
  const cpus = cpusIn(at, `${group}/${CPUS}`)
  const isAsWanted = !isPartition || cpus?.length === 0 || textOf(at, `${group}/${PARTITION}`) === 'isolated'
  return isAsWanted ? cpus : null
}

/** As `setPartition`, of the reserve. */
export function setReserve(at: Hierarchy, cpus: CpuSet, write: WriteSysfs): string | null {
  return setPartition(at, RESERVE, cpus, true, write)
}

/**
 * Gives a group right below the root group these CPUs.
 * @param isPartition whether nobody else is to have them
 * @returns the kernel's reason why it is no isolated partition now; null when it is, or has no CPUs left
 */
export function setPartition(
  at: Hierarchy,
  group: string,
  cpus: CpuSet,
  isPartition: boolean,
  write: WriteSysfs,
): string | null {
  // A partition cannot be without CPUs: "isolated invalid (cpuset.cpus is empty)".
  if (cpus.length === 0 && isPartition) set(at, `${group}/${PARTITION}`, 'member', write)
  set(at, `${group}/${CPUS}`, formatCpuSet(cpus), write)
  return cpus.length === 0 || !isPartition ? null : makePartition(at, group, cpus, write)
}

/**
 * Makes a group an isolated partition of CPUs, which leave the reserve for it. CPUs that the reserve does not have, and so
 * those of other VMs, are not touched.
 * @param group below the mount point; the kernel has said that the VM is there
 * @returns null when none of the CPUs is in the reserve
 */
export function lend(at: Hierarchy, group: string, wanted: CpuSet, write: WriteSysfs): Lent | null {
  const reserve = reserveOf(at) ?? []
  const cpus = intersectCpuSets(wanted, reserve)
  if (cpus.length === 0) return null
  // A thread cannot be kept off half of its CPUs: all of them are the reserve's, or the group stays as it is.
  if (cpus.length < wanted.length) {
    const others = formatCpuSet(subtractCpuSets(wanted, cpus))
    return { cpus, problem: `CPU ${others} of the same group is not in the reserve ${RESERVE}` }
  }
  try {
    setReserve(at, subtractCpuSets(reserve, cpus), write)
    for (const path of [...groupsAbove(group), group]) {
      const known = cpusIn(at, `${path}/${EXCLUSIVE}`) ?? []
      set(at, `${path}/${EXCLUSIVE}`, formatCpuSet(unionCpuSets(known, cpus)), write)
    }
    // Its CPUs in cpuset.cpus would bring the thread there before the partition keeps others away.
    return { cpus, problem: makePartition(at, group, cpus, write) }
  } catch (error) {
    return { cpus, problem: errorCode(error) ?? String(error) }
  }
}

/**
 * Takes CPUs back into the reserve that no partition has any more.
 * @param all what `host isolate` has isolated, by root's record
 * @returns the kernel's reason why they are not back; null when they are, or there was nothing to do
 */
export function takeBack(at: Hierarchy, all: CpuSet, write: WriteSysfs): string | null {
  const reserve = reserveOf(at)
  if (reserve === null) return null
  const back = subtractCpuSets(subtractCpuSets(all, reserve), lentCpus(at))
  try {
    if (back.length === 0) return isValid(at) || reserve.length === 0 ? null : setReserve(at, reserve, write)
    clearExclusive(at, back, write)
    return setReserve(at, unionCpuSets(reserve, back), write)
  } catch (error) {
    return errorCode(error) ?? String(error)
  }
}

/** CPUs that isolated partitions beside the reserve have: those of VMs. */
export function lentCpus(at: Hierarchy): CpuSet {
  const own = isValid(at) ? (reserveOf(at) ?? []) : []
  return subtractCpuSets(cpusIn(at, `/${ISOLATED}`) ?? [], own)
}

function isValid(at: Hierarchy): boolean {
  return textOf(at, `${RESERVE}/${PARTITION}`) === 'isolated'
}

/**
 * Takes CPUs out of what slices keep as exclusive: it was for a group below that is gone. A partition of these CPUs elsewhere
 * would be invalid otherwise.
 */
export function clearExclusive(at: Hierarchy, cpus: CpuSet, write: WriteSysfs): void {
  const below = (group: string) =>
    (listDirectory(`${at.root}${at.mountPoint}${group}`) ?? [])
      .map((name) => `${group}/${name}`)
      .filter((path) => path !== RESERVE && isThere(at, `${path}/${EXCLUSIVE}`))
  const slices = below('')
  // What is below goes first: a group may have no more than the one above it.
  for (const group of [...slices.flatMap(below), ...slices]) {
    const known = cpusIn(at, `${group}/${EXCLUSIVE}`) ?? []
    if (intersectCpuSets(known, cpus).length > 0)
      set(at, `${group}/${EXCLUSIVE}`, formatCpuSet(subtractCpuSets(known, cpus)), write)
  }
}

/** `/a/b/c` → `/a`, `/a/b` */
function groupsAbove(group: string): string[] {
  const parts = group.split('/').slice(1, -1)
  return parts.map((_, n) => `/${parts.slice(0, n + 1).join('/')}`)
}

function makePartition(at: Hierarchy, group: string, cpus: CpuSet, write: WriteSysfs): string | null {
  const path = `${group}/${PARTITION}`
  const now = () => textOf(at, path) ?? ''
  if (now() !== 'isolated') set(at, path, 'isolated', write)
  if (now() !== 'isolated') return now()
  // Where another group keeps a CPU as exclusive, Linux 6.12 says `isolated` all the same.
  const missing = subtractCpuSets(cpus, cpusIn(at, `${group}/${EFFECTIVE}`) ?? cpus)
  return missing.length === 0 ? null : `CPU ${formatCpuSet(missing)} is not in its ${EFFECTIVE}`
}

function textOf(at: Hierarchy, path: string): string | null {
  return readAttribute(`${at.root}${at.mountPoint}${path}`)?.trim() ?? null
}

function cpusIn(at: Hierarchy, path: string): CpuSet | null {
  const text = textOf(at, path)
  return text === null ? null : parseCpuSet(text)
}

function set(at: Hierarchy, path: string, text: string, write: WriteSysfs): void {
  // Without a byte nothing would be written at all.
  write(`${at.root}${at.mountPoint}${path}`, `${text}\n`)
}

function isThere(at: Hierarchy, path: string): boolean {
  return existsSync(`${at.root}${at.mountPoint}${path}`)
}
