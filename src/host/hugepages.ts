import { parseCpuSet } from '../units/cpu-set.js'
import { findGroup, type Group } from './cgroup.js'
import type { GroupLimit, HugePages } from './facts.js'
import { readProc } from './proc.js'
import { listDirectory, readNumber } from './sysfs.js'
import type { Root } from './sysroot.js'

/**
 * Reads how many huge pages are free, by size, smallest first (Linux Documentation/admin-guide/mm/hugetlbpage.rst).
 * @param isOwn whether QEMU will be in this process's control group
 * @returns none when the kernel has no huge pages
 */
export function readHugePages(root: Root, isOwn = true): HugePages[] {
  const pools = `${root}/sys/kernel/mm/hugepages`
  const group = isOwn ? ownGroup(root) : null
  return sizesIn(pools)
    .map(({ name, size }) => {
      const count = (file: string) => readNumber(`${pools}/${name}/${file}`) ?? 0
      const groupLimit = group && limitIn(root, group, size)
      return {
        size,
        free: count('free_hugepages') - count('resv_hugepages'),
        // Linux mm/hugetlb.c, alloc_surplus_hugetlb_folio.
        surplus: Math.max(0, count('nr_overcommit_hugepages') - count('surplus_hugepages')),
        freeByNode: freeByNode(root, name),
        ...(groupLimit === null ? {} : { groupLimit }),
      }
    })
    .sort((a, b) => Number(a.size - b.size))
}

/**
 * The NUMA nodes that a process may take memory from (proc_pid_status(5), Mems_allowed_list). A QEMU that is still to be started
 * has those of this process, which hands its cpuset on.
 * @returns null when nobody says
 */
export function readMemoryNodes(root: Root, pid: number | 'self' = 'self'): readonly number[] | null {
  const status = readProc(`${root}/proc/${pid}/status`) ?? ''
  const list = /^Mems_allowed_list:\s*(\S+)$/m.exec(status)?.[1]
  return list === undefined ? null : parseCpuSet(list)
}

function sizesIn(pools: string) {
  return (listDirectory(pools) ?? []).flatMap((name) => {
    const kib = /^hugepages-(\d+)kB$/.exec(name)?.[1]
    return kib === undefined ? [] : [{ name, size: BigInt(kib) << 10n }]
  })
}

function freeByNode(root: Root, pool: string): Record<number, number> {
  const nodes = `${root}/sys/devices/system/node`
  const numbers = (listDirectory(nodes) ?? []).flatMap((name) => /^node(\d+)$/.exec(name)?.[1] ?? [])
  const free = numbers.flatMap((node): [string, number][] => {
    const pages = readNumber(`${nodes}/node${node}/hugepages/${pool}/free_hugepages`)
    return pages === null ? [] : [[node, pages]]
  })
  return Object.fromEntries(free)
}

function ownGroup(root: Root): Group | null {
  const read = (file: string) => readProc(`${root}/proc/self/${file}`) ?? ''
  return findGroup('hugetlb', read('cgroup'), read('mountinfo'))
}

/** Files with a limit and with what counts towards it: of pages that are used, and of those that are reserved by mmap(2). */
const LIMITS = {
  1: [
    ['limit_in_bytes', 'usage_in_bytes'],
    ['rsvd.limit_in_bytes', 'rsvd.usage_in_bytes'],
  ],
  2: [
    ['max', 'current'],
    ['rsvd.max', 'rsvd.current'],
  ],
} as const

/**
 * The lowest limit of a group and those above it (Linux Documentation/admin-guide/cgroup-v2.rst, "HugeTLB", and
 * cgroup-v1/hugetlb.rst). Above one, the kernel ends a process that touches a page (SIGBUS).
 */
function limitIn(root: Root, { version, mountPoint, path }: Group, size: bigint): GroupLimit | null {
  const limits = LIMITS[version].flatMap(([limit, used]) => {
    const file = `${mountPoint}${path}/hugetlb.${nameOfSize(size)}.${limit}`
    const most = readNumber(root + file)
    const usage = readNumber(`${root}${mountPoint}${path}/hugetlb.${nameOfSize(size)}.${used}`) ?? 0
    return most === null ? [] : [{ left: Math.max(0, Math.floor((most - usage) / Number(size))), file }]
  })
  const above =
    path === ''
      ? null
      : limitIn(root, { version, mountPoint, path: path.slice(0, path.lastIndexOf('/')) }, size)
  const all = above === null ? limits : [...limits, above]
  return all.sort((a, b) => a.left - b.left)[0] ?? null
}

/** `2MB`, as the kernel names a size there (mm/hugetlb_cgroup.c, mem_fmt). */
function nameOfSize(size: bigint): string {
  if (size >= 1n << 30n) return `${size >> 30n}GB`
  return size >= 1n << 20n ? `${size >> 20n}MB` : `${size >> 10n}KB`
}
