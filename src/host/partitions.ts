import { type CpuSet, parseCpuSet } from '../units/cpu-set.js'
import { cpusetHierarchy } from './cpuset.js'
import type { CpuPartition } from './facts.js'
import { listDirectory, readAttribute } from './sysfs.js'
import type { Root } from './sysroot.js'

/** Files of a partition that say its CPUs: Linux 6.7 and later, and before (Documentation/admin-guide/cgroup-v2.rst). */
const CPUS = ['cpuset.cpus.exclusive.effective', 'cpuset.cpus.effective']

/**
 * CPUs of isolated partitions: as the root group says (cpuset.cpus.isolated; what booted isolated need not be there), and of
 * partitions above this process's group; on a kernel without that file also of those right below the root group.
 * @returns null without cgroup v2
 */
export function readIsolatedGroups(root: Root): CpuSet | null {
  const own = cpusetHierarchy(root)
  if (own === null) return null
  const text = readAttribute(`${root}${own.mountPoint}/cpuset.cpus.isolated`)
  const all = text === null ? null : parseCpuSet(text)
  const groups = [...pathsUpwards(own.path), ...(text === null ? groupsBelow(root, own.mountPoint, '') : [])]
  const above = groups.flatMap((group) => readPartition(root, own.mountPoint, group))
  const isolated = above.filter(({ kind }) => kind === 'isolated').flatMap(({ cpus }) => cpus)
  if (all === null && isolated.length === 0) return null
  return [...(all ?? []), ...isolated]
}

/** Partitions of the host, two levels deep: where slices are, and the units in them. */
export function readPartitions(root: Root): CpuPartition[] {
  const own = cpusetHierarchy(root)
  if (own === null) return []
  const below = (group: string) => groupsBelow(root, own.mountPoint, group)
  const groups = below('')
  return [...groups, ...groups.flatMap(below)].flatMap((group) => readPartition(root, own.mountPoint, group))
}

function groupsBelow(root: Root, mountPoint: string, group: string): string[] {
  return (
    (listDirectory(`${root}${mountPoint}${group}`) ?? [])
      // A group is a directory, most of which systemd names so; an attribute has a controller before its dot.
      .filter((name) => !/^(cgroup|cpu|cpuset|memory|io|pids|misc|irq|hugetlb|rdma|dmem)\./.test(name))
      .map((name) => `${group}/${name}`)
  )
}

/** The text after `isolated` says why a partition is invalid, which then is none. */
function readPartition(root: Root, mountPoint: string, group: string): CpuPartition[] {
  const kind = readAttribute(`${root}${mountPoint}${group}/cpuset.cpus.partition`)?.trim()
  if (kind !== 'root' && kind !== 'isolated') return []
  for (const file of CPUS) {
    const cpus = parseCpuSet(readAttribute(`${root}${mountPoint}${group}/${file}`) ?? '')
    if (cpus !== null && cpus.length > 0) return [{ group, kind, cpus }]
  }
  return []
}

/** A group and those above it, the root group left out. */
export function pathsUpwards(path: string): string[] {
  return path === '' ? [] : [path, ...pathsUpwards(path.slice(0, path.lastIndexOf('/')))]
}
