import { existsSync, mkdirSync, rmdirSync } from 'node:fs'
import { findGroup, type Group } from '../host/cgroup.js'
import { parseStat, readProc } from '../host/proc.js'
import { errorCode, listDirectory, readAttribute, readLink } from '../host/sysfs.js'
import {
  type CpuSet,
  formatCpuSet,
  parseCpuSet,
  RESERVE,
  subtractCpuSets,
  unionCpuSets,
} from '../units/cpu-set.js'
import { directoryOf } from '../units/path.js'
import { type WriteSysfs, writeSysfs } from './driver.js'

/*
 * A VM that libvirt did not start has its threads wherever it was launched. Root brings the process below the root group, the one
 * threaded domain that has the reserve of `host isolate` in it: each of its threads may be in any threaded group there then
 * (Linux Documentation/admin-guide/cgroup-v2.rst, "Threads"). So no CPU ever leaves the reserve.
 */

/** The group of all threads of such VMs that are on no real-time CPU. Below the mount point. */
export const BY_HAND = '/qemu-rt-vms'

/**
 * Puts one thread of a VM into the group that has its CPUs: one of the VM's own in the reserve, or out of there again. The
 * kernel says which process the thread is of, and refuses one of a process that is elsewhere. Threads of libvirt's VMs are left
 * where libvirt has put them: the hook lends these their CPUs.
 * @param cpus what the thread is to get, by root's record or configuration
 * @param root the sysroot, for tests
 * @returns why it is not done: the errno name of what the kernel has refused, or in words; null when it is done, or there is nothing to do
 */
export function bringThread(
  tid: number,
  cpus: CpuSet,
  root = '',
  write: WriteSysfs = writeSysfs,
): string | null {
  const process = processOf(tid, root)
  if (process === null) return null
  const { pid, startTicks, group } = process
  const { mountPoint } = group
  const base = `${root}${mountPoint}`
  const reserve = parseCpuSet(readAttribute(`${base}${RESERVE}/cpuset.cpus`) ?? '') ?? []
  const isThere = existsSync(`${base}${BY_HAND}`)
  if (!isThere || group.path.endsWith('/emulator')) return null
  const isReserved = cpus.length > 0 && subtractCpuSets(cpus, reserve).length === 0
  const stays = isReserved && group.path !== BY_HAND ? whyItStays(pid, base, group.path, root) : null
  if (stays !== null) return stays
  try {
    if (isReserved) {
      const own = `${RESERVE}/${pid}-${startTicks}`
      if (group.path !== BY_HAND) write(`${base}${BY_HAND}/cgroup.procs`, `${pid}\n`)
      makeOwnGroup(base, own, cpus, write)
      write(`${base}${own}/cgroup.threads`, `${tid}\n`)
    } else if (threadGroup(tid, root)?.path.startsWith(`${RESERVE}/`) === true) {
      write(`${base}${BY_HAND}/cgroup.threads`, `${tid}\n`)
    }
    return null
  } catch (error) {
    return errorCode(error) ?? String(error)
  }
}

/** Limits of a group that would not hold in a threaded one. */
const LIMITS = ['memory.max', 'pids.max', 'cpu.max']

/**
 * Why a process is not moved: in its group somebody else's limits hold for it, which it would be rid of.
 * @returns null when it may be
 */
function whyItStays(pid: number, base: string, path: string, root: string): string | null {
  const namespaces = ['pid', 'cgroup'].filter((kind) => {
    const own = readLink(`${root}/proc/${pid}/ns/${kind}`)
    return own !== null && own !== readLink(`${root}/proc/self/ns/${kind}`)
  })
  if (namespaces.length > 0)
    return `the process is in a container: another ${namespaces.join(' and ')} namespace`
  for (let at = path; at !== '' && at !== '/'; at = directoryOf(at)) {
    const limit = LIMITS.find(
      (name) => !/^(max\b.*)?$/.test(readAttribute(`${base}${at}/${name}`)?.trim() ?? ''),
    )
    if (limit !== undefined) return `${at} has a ${limit}, which would not hold any more`
  }
  return null
}

/** The VM's threads get no further than its own CPUs, whatever affinity they set themselves. */
function makeOwnGroup(base: string, own: string, cpus: CpuSet, write: WriteSysfs): void {
  const path = `${base}${own}`
  if (!existsSync(path)) {
    removeEnded(`${base}${RESERVE}`)
    write(`${base}${RESERVE}/cgroup.subtree_control`, '+cpuset\n')
    mkdirSync(path, { mode: 0o755 })
    write(`${path}/cgroup.type`, 'threaded\n')
  }
  const known = parseCpuSet(readAttribute(`${path}/cpuset.cpus`) ?? '') ?? []
  if (subtractCpuSets(cpus, known).length > 0)
    write(`${path}/cpuset.cpus`, `${formatCpuSet(unionCpuSets(known, cpus))}\n`)
}

/** Removes the groups of VMs that have ended; nobody else does. */
function removeEnded(reserve: string): void {
  for (const name of listDirectory(reserve) ?? []) {
    if (
      !/^\d+-\d+$/.test(name) ||
      !/^populated 0$/m.test(readAttribute(`${reserve}/${name}/cgroup.events`) ?? '')
    )
      continue
    try {
      rmdirSync(`${reserve}/${name}`)
    } catch {
      // A VM that has just been brought there.
    }
  }
}

/** The process of a thread, by the kernel's word; null for a thread of the kernel's, and where there is no cgroup v2. */
function processOf(tid: number, root: string): { pid: number; startTicks: number; group: Group } | null {
  const status = readProc(`${root}/proc/${tid}/status`) ?? ''
  const pid = Number(/^Tgid:\s*(\d+)$/m.exec(status)?.[1] ?? 0)
  // No memory of its own.
  if (pid === 0 || !/^VmSize:/m.test(status)) return null
  const group = threadGroup(pid, root)
  const stat = parseStat(readProc(`${root}/proc/${pid}/stat`) ?? '')
  return group?.version === 2 && stat !== null ? { pid, startTicks: stat.field(22), group } : null
}

function threadGroup(tid: number, root: string): Group | null {
  const mounts = readProc(`${root}/proc/self/mountinfo`) ?? ''
  return findGroup('cpuset', readProc(`${root}/proc/${tid}/cgroup`) ?? '', mounts)
}
