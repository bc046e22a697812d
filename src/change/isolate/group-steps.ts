import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { hostNotChanged } from '../../errors/host-apply.js'
import { cpusNotIsolated } from '../../errors/host-isolate.js'
import { errorCode } from '../../host/sysfs.js'
import type { Root } from '../../host/sysroot.js'
import { type CpuSet, formatCpuSet, parseCpuSet, RESERVE, subtractCpuSets } from '../../units/cpu-set.js'
import { BY_HAND } from '../by-hand.js'
import type { WriteSysfs } from '../driver.js'
import { type Change, type GroupMade, ISOLATE_RECORD_FILE, readApplyRecord } from '../host/record.js'
import type { Undoing } from '../host/steps.js'
import { clearExclusive, cpusOfPartition, type Hierarchy, lentCpus, setPartition } from '../reserve.js'
import type { Step } from '../step.js'
import { CGROUPS } from './controller.js'

export const RESERVE_PATH = `${CGROUPS}${RESERVE}`
/** The slice for the switch's service: an underscore, since systemd puts `a-b.slice` below `a.slice` (systemd.slice(5)). */
export const SWITCH_SLICE = 'qemu_rt_switch.slice'
const SWITCH = `/${SWITCH_SLICE}`

/** A group right below the root group that `host isolate` makes. */
interface OwnGroup {
  /** Below the mount point. */
  readonly group: string
  /** The CPUs that it is to have, as things are. */
  readonly wanted: () => CpuSet
  readonly isPartition: boolean
  /**
   * Whether single threads of a process may be in it: the root group is a threaded domain beside all else
   * (Linux Documentation/admin-guide/cgroup-v2.rst, "Threads").
   */
  readonly isThreaded: boolean
}

/** The groups for CPUs of VMs and of the switch. @param others the CPUs that the system keeps */
export function groupSteps(
  root: Root,
  cpus: { readonly realtime: CpuSet; readonly switches: CpuSet; readonly others: CpuSet },
  write: WriteSysfs,
): Step<Change>[] {
  const at = { root, mountPoint: CGROUPS }
  const { realtime, switches, others } = cpus
  // VMs have CPUs in partitions of their own.
  const free = () => subtractCpuSets(realtime, lentCpus(at))
  return [
    groupStep(at, { group: RESERVE, wanted: free, isPartition: true, isThreaded: true }, realtime, write),
    groupStep(
      at,
      { group: BY_HAND, wanted: () => others, isPartition: false, isThreaded: true },
      others,
      write,
    ),
    ...(switches.length === 0
      ? []
      : [
          groupStep(
            at,
            { group: SWITCH, wanted: () => switches, isPartition: true, isThreaded: false },
            switches,
            write,
          ),
        ]),
  ]
}

/** @param all the CPUs that root's record names */
function groupStep(at: Hierarchy, own: OwnGroup, all: CpuSet, write: WriteSysfs): Step<Change> {
  const { root } = at
  const { group, wanted, isPartition, isThreaded } = own
  const path = `${CGROUPS}${group}`
  const change: GroupMade = { kind: 'group', path, cpus: formatCpuSet(all) }
  return {
    look() {
      const now = cpusOfPartition(at, group, isPartition)
      return now !== null && formatCpuSet(now) === formatCpuSet(wanted()) ? null : change
    },
    make() {
      try {
        if (!existsSync(root + path)) {
          mkdirSync(root + path, { mode: 0o755 })
          if (isThreaded) write(`${root}${path}/cgroup.type`, 'threaded\n')
        }
        const cpus = wanted()
        if (isPartition) clearExclusive(at, cpus, write)
        const reason = setPartition(at, group, cpus, isPartition, write)
        if (reason !== null) throw cpusNotIsolated({ cpus: formatCpuSet(cpus), path, reason })
      } catch (error) {
        const code = errorCode(error)
        throw code === null ? error : hostNotChanged({ path, reason: code })
      }
    },
    undo: () => undoGroup(root, change, write).make?.(),
  }
}

/** The reserve that root's record knows of, and all CPUs that it had; null where there is none. */
export function reserveAt(root: Root): (Hierarchy & { readonly cpus: CpuSet }) | null {
  if (!existsSync(root + RESERVE_PATH)) return null
  const made = readApplyRecord(root, ISOLATE_RECORD_FILE)?.changes.find(
    (change) => change.kind === 'group' && change.path === RESERVE_PATH,
  )
  return made?.kind === 'group' ? { root, mountPoint: CGROUPS, cpus: parseCpuSet(made.cpus) ?? [] } : null
}

/**
 * Looks how a group is removed, which gives its CPUs to all groups. Threads that are in it keep them: it stays then, as no
 * partition. CPUs that VMs of libvirt have stay theirs.
 */
export function undoGroup(root: string, { path }: GroupMade, write: WriteSysfs): Undoing {
  if (!existsSync(root + path)) return { outcome: 'was so already' }
  const make = () => {
    // In a copy of a host what a group is like are files, which stand in its directory's way.
    if (root !== '') return rmSync(root + path, { recursive: true })
    try {
      write(`${path}/cpuset.cpus.partition`, 'member\n')
      for (const name of readdirSync(path)) if (!name.includes('.')) removeGroup(`${path}/${name}`)
      removeGroup(path)
    } catch (error) {
      throw hostNotChanged({ path, reason: errorCode(error) ?? String(error) })
    }
  }
  return { outcome: 'undone', removes: path, make }
}

/** Removes a group, unless threads or other groups are in it: EBUSY (Linux kernel/cgroup/cgroup.c, cgroup_destroy_locked). */
function removeGroup(path: string): void {
  try {
    rmdirSync(path)
  } catch (error) {
    if (errorCode(error) !== 'EBUSY') throw error
  }
}
