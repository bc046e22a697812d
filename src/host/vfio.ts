import { accessSync, constants } from 'node:fs'
import type { VfioNode } from './facts.js'
import { errorCode, listDirectory } from './sysfs.js'
import type { Root } from './sysroot.js'

/**
 * Reads which /dev/vfio nodes there are. A group without an IOMMU behind it is called `noiommu-N`
 * (Linux drivers/vfio/group.c, vfio_group_alloc).
 * @returns a function that gives the node of an IOMMU group
 */
export function readVfioNodes(root: Root): (group: number) => VfioNode {
  const names = new Set(listDirectory(`${root}/dev/vfio`) ?? [])
  const nodes = new Map<number, VfioNode>()
  return (group) => {
    const name = names.has(`noiommu-${group}`) ? `noiommu-${group}` : `${group}`
    const path = `/dev/vfio/${name}`
    const node = nodes.get(group) ?? { path, access: names.has(name) ? access(root + path) : 'missing' }
    nodes.set(group, node)
    return node
  }
}

/** Asks without opening: an open group cannot be opened by another QEMU. */
function access(path: string): VfioNode['access'] {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return 'ok'
  } catch (error) {
    return errorCode(error) === 'ENOENT' ? 'missing' : 'denied'
  }
}
