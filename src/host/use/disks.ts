import { readFileSync } from 'node:fs'
import { listDirectory, readAttribute, readLink, readNumber } from '../sysfs.js'
import type { Root } from '../sysroot.js'
import type { Use } from './use.js'

/**
 * Block devices below a PCI device, and what each is used for as far as it is seen: mounted, swapped on, part of a mapping
 * or array. A drive without a medium is none. Where no use is seen there may be one yet: a ZFS pool, a VM.
 */
export function disksOf(root: Root, address: string): Use[] {
  const block = `${root}/sys/class/block`
  return (listDirectory(block) ?? [])
    .filter((name) => readLink(`${block}/${name}`)?.includes(`/${address}/`))
    .filter((name) => readNumber(`${block}/${name}/size`) !== 0)
    .sort()
    .map((name) => ({ kind: 'disk', name, use: useOfBlock(root, visibleName(name), 0) }))
}

/** With native multipath what is used is `nvme0n1`, and `nvme0c1n1` one way to it (Linux drivers/nvme/host/multipath.c). */
function visibleName(name: string): string {
  return name.replace(/^(nvme\d+)c\d+(n\d+)/, '$1$2')
}

const DEEPEST = 8

/** What a block device is used for, or what is made of it, and so on upwards. */
function useOfBlock(root: Root, name: string, depth: number): string | null {
  const path = `${root}/sys/class/block/${name}`
  const number = readAttribute(`${path}/dev`)
  if (swaps(root).includes(name)) return 'swap'
  const mounted = mountPoint(root, name, number)
  if (mounted !== null) return `mounted at ${mounted}`
  const [holder] = listDirectory(`${path}/holders`) ?? []
  if (holder === undefined) return null
  const further = depth < DEEPEST ? useOfBlock(root, holder, depth + 1) : null
  return further === null ? `part of ${holder}` : `${further}, by ${holder}`
}

/** By number, and by source: a file system such as btrfs has a number of its own (proc(5), /proc/pid/mountinfo). */
function mountPoint(root: Root, name: string, number: string | null): string | null {
  for (const line of linesOf(`${root}/proc/self/mountinfo`)) {
    const [left = '', right = ''] = line.split(' - ')
    const [, , device, , mountedAt = ''] = left.split(' ')
    const source = right.split(' ')[1]
    if ((number !== null && device === number) || source === `/dev/${name}`) return mountedAt
  }
  return null
}

/** The names of block devices that are swapped on (proc(5), /proc/swaps). */
function swaps(root: Root): string[] {
  return linesOf(`${root}/proc/swaps`).flatMap((line) => /^\/dev\/(\S+)/.exec(line)?.[1] ?? [])
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, 'latin1').split('\n')
  } catch {
    return []
  }
}
