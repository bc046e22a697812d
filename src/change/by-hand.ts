import { existsSync, mkdirSync, rmdirSync } from 'node:fs'
import { findGroup, type Group } from '../host/cgroup.js'
import { cpusOfGroup } from '../host/cpuset.js'
import { parseStat, readProc, STAT } from '../host/proc.js'
import { errorCode, listDirectory, readAttribute, readLink } from '../host/sysfs.js'
import {
  type CpuSet,
  formatCpuSet,
  intersectCpuSets,
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
 * @param thread with the start time by which it was found, where that is known: another thread with its number is left alone
 * @param cpus what the thread is to get, by root's record or configuration
 * @param root the sysroot, for tests
 * @returns why it is not done: the errno name of what the kernel has refused, or in words; null when it is done, or there is nothing to do
 */
export function bringThread(
  thread: NumberedThread,
  cpus: CpuSet,
  root = '',
  write: WriteSysfs = writeSysfs,
): string | null {
  const process = processOf(thread, root)
  if (process === null) return null
  const { tid } = thread
  const { group } = process
  const base = `${root}${group.mountPoint}`
  const name = `${process.pid}-${process.startTicks}`
  const reserve = parseCpuSet(readAttribute(`${base}${RESERVE}/cpuset.cpus`) ?? '') ?? []
  const isThere = existsSync(`${base}${BY_HAND}`)
  if (!isThere || group.path.endsWith('/emulator')) return null
  const isReserved = cpus.length > 0 && subtractCpuSets(cpus, reserve).length === 0
  const own = { reserve: `${RESERVE}/${name}`, others: `${BY_HAND}/${name}` }
  const isBrought = [own.reserve, own.others].includes(group.path)
  const stays = isReserved && !isBrought ? whyItStays(process.pid, base, group.path, root) : null
  if (stays !== null) return stays
  try {
    if (isReserved) {
      if (!isBrought) {
        const left = cpusLeft(root, group)
        if (left?.length === 0) return `its group ${group.path} allows it none of the CPUs of ${BY_HAND}`
        makeThreaded(base, own.others, halfOf(tightestTasks(base, group.path)), write)
        if (left !== null) addCpus(`${base}${own.others}/cpuset.cpus`, left, write)
        if (!isSame(process, root) || !isSame(thread, root)) return null
        write(`${base}${own.others}/cgroup.procs`, `${process.pid}\n`)
      }
      makeThreaded(base, own.reserve, tasksOf(base, own.others), write)
      addCpus(`${base}${own.reserve}/cpuset.cpus`, cpus, write)
      if (isSame(thread, root)) write(`${base}${own.reserve}/cgroup.threads`, `${tid}\n`)
    } else if (threadGroup(tid, root)?.path.startsWith(`${RESERVE}/`) === true) {
      write(`${base}${own.others}/cgroup.threads`, `${tid}\n`)
    }
    return null
  } catch (error) {
    return errorCode(error) ?? String(error)
  }
}

/**
 * Limits of a group that would not hold in a threaded one, whose controllers are those of single threads (Linux
 * Documentation/admin-guide/cgroup-v2.rst, "Threads"), or that hold for all of the group's processes together.
 */
const LIMITS =
  /^(cpuset\.mems|memory\.(high|max)|memory\.z?swap\.(high|max)|cpu\.max|cpu\.uclamp\.max|io\.max|hugetlb\..+\.max|rdma\.max|misc\.max)$/

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
  // Which limits a group had that is gone, nobody knows: that of a main thread that has ended may be.
  if (!existsSync(`${base}${path}`)) return `its group ${path} is gone`
  for (const at of upwards(path)) {
    const limit = (listDirectory(`${base}${at}`) ?? []).find(
      (name) => LIMITS.test(name) && isLimited(readAttribute(`${base}${at}/${name}`) ?? ''),
    )
    if (limit !== undefined) return `${at} has a ${limit}, which would not hold any more`
  }
  return null
}

/**
 * Whether a limit's file has a number for one. `cpu.max` has its period behind the limit, and files of several devices or
 * resources have lines like `8:0 rbps=max wiops=120` and `res_a 3` (Linux Documentation/admin-guide/cgroup-v2.rst).
 */
function isLimited(text: string): boolean {
  return text.split('\n').some((line) => {
    const words = line.trim().split(/\s+/)
    const pairs = words.filter((word) => word.includes('='))
    if (pairs.length > 0) return pairs.some((pair) => !pair.endsWith('=max'))
    return line.trim() !== '' && !words.includes('max')
  })
}

/**
 * The CPUs that a process keeps of those of `BY_HAND`, where its group leaves it fewer, as with systemd's `AllowedCPUs=`. Those
 * of the reserve are no group's before: root alone gives them.
 * @returns null where its group takes none from it
 */
function cpusLeft(root: string, group: Group): CpuSet | null {
  const all = cpusOfGroup(root, { ...group, path: BY_HAND })
  const before = cpusOfGroup(root, group)
  if (all === null || before === null || subtractCpuSets(all, before).length === 0) return null
  return intersectCpuSets(all, before)
}

/** A group and all above it but the root group, which has no limits. */
function upwards(path: string): string[] {
  return path === '' || path === '/' ? [] : [path, ...upwards(directoryOf(path))]
}

/** How many tasks a group may have by its own `pids.max`; infinite without a limit. */
function tasksOf(base: string, path: string): number {
  const text = readAttribute(`${base}${path}/pids.max`)?.trim() ?? 'max'
  return text === 'max' ? Number.POSITIVE_INFINITY : Number(text)
}

/** How many tasks a process of a group can have, by the limits of that group and of those above it. */
function tightestTasks(base: string, path: string): number {
  return Math.min(...upwards(path).map((at) => tasksOf(base, at)), Number.POSITIVE_INFINITY)
}

/** A VM is in two groups from then on, and has in both together no more tasks than before. */
function halfOf(tasks: number): number {
  return Math.floor(tasks / 2)
}

/**
 * Makes a group of a VM's: with its limit of tasks before anything is in it. More threads than that may be moved there; then
 * no new ones can be made (Linux Documentation/admin-guide/cgroup-v2.rst, "PID").
 */
function makeThreaded(base: string, path: string, tasks: number, write: WriteSysfs): void {
  const above = `${base}${directoryOf(path)}`
  if (!existsSync(`${base}${path}`)) {
    removeEnded(above)
    mkdirSync(`${base}${path}`, { mode: 0o755 })
    write(`${base}${path}/cgroup.type`, 'threaded\n')
  }
  if (Number.isFinite(tasks) && tasksOf(base, path) !== tasks) {
    write(`${above}/cgroup.subtree_control`, '+pids\n')
    write(`${base}${path}/pids.max`, `${tasks}\n`)
  }
}

/** The VM's threads get no further than its own CPUs, whatever affinity they set themselves. */
function addCpus(file: string, cpus: CpuSet, write: WriteSysfs): void {
  const known = parseCpuSet(readAttribute(file) ?? '') ?? []
  if (subtractCpuSets(cpus, known).length === 0) return
  write(`${directoryOf(directoryOf(file))}/cgroup.subtree_control`, '+cpuset\n')
  write(file, `${formatCpuSet(unionCpuSets(known, cpus))}\n`)
}

/** Removes the groups of VMs that have ended; nobody else does. */
function removeEnded(above: string): void {
  for (const name of listDirectory(above) ?? []) {
    if (
      !/^\d+-\d+$/.test(name) ||
      !/^populated 0$/m.test(readAttribute(`${above}/${name}/cgroup.events`) ?? '')
    )
      continue
    try {
      rmdirSync(`${above}/${name}`)
    } catch {
      // A VM that has just been brought there.
    }
  }
}

/** A thread, or the first of a process, by its number. */
interface NumberedThread {
  readonly tid: number
  /** When it started, in clock ticks after boot. */
  readonly startTicks?: number | undefined
}

interface Process extends NumberedThread {
  readonly pid: number
  readonly startTicks: number
  readonly group: Group
}

/** The process of a thread, by the kernel's word; null for a thread of the kernel's, and where there is no cgroup v2. */
function processOf(thread: NumberedThread, root: string): Process | null {
  const status = readProc(`${root}/proc/${thread.tid}/status`) ?? ''
  const pid = Number(/^Tgid:\s*(\d+)$/m.exec(status)?.[1] ?? 0)
  // No memory of its own.
  if (pid === 0 || !/^VmSize:/m.test(status)) return null
  const startTicks = startTicksOf(pid, root)
  const group = threadGroup(pid, root)
  if (group?.version !== 2 || startTicks === null) return null
  const process = { tid: pid, pid, startTicks, group }
  // All of it is of one process, which is the one that was meant, unless a number has got another owner meanwhile.
  return isSame(process, root) && isSame(thread, root) ? process : null
}

/** Whether a number is still that of the thread that had it. */
function isSame({ tid, startTicks }: NumberedThread, root: string): boolean {
  return startTicks === undefined || startTicksOf(tid, root) === startTicks
}

function startTicksOf(tid: number, root: string): number | null {
  return parseStat(readProc(`${root}/proc/${tid}/stat`) ?? '')?.field(STAT.startTime) ?? null
}

function threadGroup(tid: number, root: string): Group | null {
  const mounts = readProc(`${root}/proc/self/mountinfo`) ?? ''
  return findGroup('cpuset', readProc(`${root}/proc/${tid}/cgroup`) ?? '', mounts)
}
