import { parseCpuSet } from '../units/cpu-set.js'
import type { HugePages } from './facts.js'
import { readProc } from './proc.js'
import { listDirectory, readNumber } from './sysfs.js'
import type { Root } from './sysroot.js'

/**
 * Reads how many huge pages are free, by size, smallest first (Linux Documentation/admin-guide/mm/hugetlbpage.rst).
 * @returns none when the kernel has no huge pages
 */
export function readHugePages(root: Root): HugePages[] {
  const pools = `${root}/sys/kernel/mm/hugepages`
  return sizesIn(pools)
    .map(({ name, size }) => {
      const count = (file: string) => readNumber(`${pools}/${name}/${file}`) ?? 0
      return {
        size,
        free: count('free_hugepages') - count('resv_hugepages'),
        // Linux mm/hugetlb.c, alloc_surplus_hugetlb_folio.
        surplus: Math.max(0, count('nr_overcommit_hugepages') - count('surplus_hugepages')),
        freeByNode: freeByNode(root, name),
      }
    })
    .sort((a, b) => Number(a.size - b.size))
}

/**
 * The NUMA nodes that QEMU may take memory from, which are this process's: it hands its cpuset on (proc_pid_status(5),
 * Mems_allowed_list).
 * @returns null when nobody says
 */
export function readMemoryNodes(root: Root): readonly number[] | null {
  const status = readProc(`${root}/proc/self/status`) ?? ''
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
