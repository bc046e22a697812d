import type { Bytes } from '../../units/bytes.js'

export const HUGE_PAGES_ID = 'memory.hugepages'

const GIBIBYTE = 1n << 30n

/** As the kernel's parameters have it: `1G`, `2M`, `64K` (lib/cmdline.c, memparse). */
function kernelSize(size: Bytes): string {
  if (size % GIBIBYTE === 0n) return `${size >> 30n}G`
  return size % (1n << 20n) === 0n ? `${size >> 20n}M` : `${size >> 10n}K`
}

/**
 * How pages of a size are made. Of 1 GiB a kernel that has run for a while finds none (Linux
 * Documentation/admin-guide/mm/hugetlbpage.rst).
 */
export function howToAddPages(size: Bytes): string {
  return size >= GIBIBYTE
    ? `boot with hugepagesz=${kernelSize(size)} hugepages=N, where N is for all VMs and all nodes together`
    : `run as root, for each node M with N pages: echo N >/sys/devices/system/node/nodeM/hugepages/hugepages-${size >> 10n}kB/nr_hugepages`
}

/** What may give a kernel pages of a size that it does not have: only then does it say how many there are. */
export function howToHaveSize(size: Bytes): string {
  return `boot with hugepagesz=${kernelSize(size)}, or change the profile`
}
