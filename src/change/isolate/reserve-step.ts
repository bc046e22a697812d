import { existsSync, mkdirSync, rmdirSync, rmSync } from 'node:fs'
import { hostNotChanged } from '../../errors/host-apply.js'
import { cpusNotIsolated } from '../../errors/host-isolate.js'
import { errorCode } from '../../host/sysfs.js'
import type { Root } from '../../host/sysroot.js'
import { type CpuSet, formatCpuSet, parseCpuSet, RESERVE, subtractCpuSets } from '../../units/cpu-set.js'
import type { WriteSysfs } from '../driver.js'
import { type Change, ISOLATE_RECORD_FILE, type ReserveMade, readApplyRecord } from '../host/record.js'
import type { Undoing } from '../host/steps.js'
import { clearExclusive, type Hierarchy, lentCpus, reserveOf, setReserve } from '../reserve.js'
import type { Step } from '../step.js'
import { CGROUPS } from './controller.js'

export const RESERVE_PATH = `${CGROUPS}${RESERVE}`

/** Makes the reserve an isolated partition of these CPUs, without those that VMs have in partitions of their own. */
export function reserveStep(root: Root, cpus: CpuSet, write: WriteSysfs): Step<Change> {
  const at = { root, mountPoint: CGROUPS }
  const wanted = () => subtractCpuSets(cpus, lentCpus(at))
  const change: ReserveMade = { kind: 'reserve', path: RESERVE_PATH, cpus: formatCpuSet(cpus) }
  return {
    look() {
      const now = reserveOf(at)
      const isSame = now !== null && formatCpuSet(now) === formatCpuSet(wanted())
      return isSame && isPartition(root, cpus) ? null : change
    },
    make() {
      try {
        if (reserveOf(at) === null) mkdirSync(root + RESERVE_PATH, { mode: 0o755 })
        const free = wanted()
        clearExclusive(at, free, write)
        const reason = setReserve(at, free, write)
        if (reason !== null) throw cpusNotIsolated({ cpus: formatCpuSet(free), path: RESERVE_PATH, reason })
      } catch (error) {
        const code = errorCode(error)
        throw code === null ? error : hostNotChanged({ path: RESERVE_PATH, reason: code })
      }
    },
    undo: () => undoReserve(root, change).make?.(),
  }
}

/** The reserve that root's record knows of, and all CPUs that it had; null where there is none. */
export function reserveAt(root: Root): (Hierarchy & { readonly cpus: CpuSet }) | null {
  const at = { root, mountPoint: CGROUPS }
  if (reserveOf(at) === null) return null
  const made = readApplyRecord(root, ISOLATE_RECORD_FILE)?.changes.find(({ kind }) => kind === 'reserve')
  return made?.kind === 'reserve' ? { ...at, cpus: parseCpuSet(made.cpus) ?? [] } : null
}

/** Whether each of these CPUs is in an isolated partition. */
function isPartition(root: Root, cpus: CpuSet): boolean {
  const at = { root, mountPoint: CGROUPS }
  const own = reserveOf(at) ?? []
  return subtractCpuSets(subtractCpuSets(cpus, lentCpus(at)), own).length === 0
}

/** Looks how the reserve is removed, which gives its CPUs to all groups. Those of VMs that run stay theirs. */
export function undoReserve(root: Root, { path }: ReserveMade): Undoing {
  if (!existsSync(root + path)) return { outcome: 'was so already' }
  const make = () => {
    try {
      // In a copy of a host what a group is like are files, which stand in its directory's way.
      if (root === '') rmdirSync(path)
      else rmSync(root + path, { recursive: true })
    } catch (error) {
      throw hostNotChanged({ path, reason: errorCode(error) ?? String(error) })
    }
  }
  return { outcome: 'undone', removes: path, make }
}
