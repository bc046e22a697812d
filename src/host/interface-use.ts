import { readFileSync } from 'node:fs'
import type { PciDevice } from './facts.js'
import { readLinkName } from './sysfs.js'
import type { Root } from './sysroot.js'

/**
 * Says what the host uses a NIC for: unbinding it would cut the host off.
 * @returns `eth0 has addresses`, `eth1 is part of br0`; null when it uses it for nothing
 */
export function interfaceUse(root: Root, { interfaces }: PciDevice): string | null {
  for (const { name } of interfaces) {
    const master = readLinkName(`${root}/sys/class/net/${name}/master`)
    if (master !== null) return `${name} is part of ${master}`
    if (hasRoutes(root, name) || hasAddresses(root, name)) return `${name} has addresses`
  }
  return null
}

/** An IPv4 address comes with a route to its network (proc(5), /proc/net/route; the interface is the first field). */
function hasRoutes(root: Root, name: string): boolean {
  return linesOf(`${root}/proc/net/route`).some((line) => line.split('\t')[0]?.trim() === name)
}

const LINK_LOCAL_SCOPE = '20'

/** IPv6 addresses (proc(5), /proc/net/if_inet6: address, index, prefix, scope, flags, name); every link has a local one. */
function hasAddresses(root: Root, name: string): boolean {
  return linesOf(`${root}/proc/net/if_inet6`).some((line) => {
    const [, , , scope, , device] = line.trim().split(/\s+/)
    return device === name && scope !== LINK_LOCAL_SCOPE
  })
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, 'latin1').split('\n')
  } catch {
    return []
  }
}
