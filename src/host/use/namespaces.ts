import { readFileSync } from 'node:fs'
import { askProgram } from '../program.js'
import { listDirectory, readLink } from '../sysfs.js'
import type { OwnInterface } from './interfaces.js'
import type { Use } from './use.js'

/** A network namespace other than this process's, and a file that nsenter(1) takes it by. */
interface Namespace {
  readonly id: string
  readonly path: string
}

/** The links of another namespace, as `ip -json -details link show` prints them there; null when it could not be asked. */
export interface NamespaceLinks {
  readonly id: string
  readonly links: string | null
}

/**
 * Reads the links of all other network namespaces: a VLAN or macvlan that was moved there leaves no trace at the interface
 * below it (Linux net/core/dev.c, netdev_adjacent_is_neigh_list). Root alone can; others change nothing either.
 */
export function readNamespaces(): NamespaceLinks[] {
  return otherNamespaces().flatMap(({ id, path }) => {
    const links = askProgram(['nsenter', `--net=${path}`, 'ip', '-json', '-details', 'link', 'show'])
    // One that has ended meanwhile has no links.
    const isGone = links === null && path.startsWith('/proc/') && readLink(path) !== id
    return isGone ? [] : [{ id, links }]
  })
}

/** Kinds whose `link_index` is that of a peer, not of a device below. */
const PAIRS = ['veth', 'netkit', 'vxcan']

/** The devices of another namespace that are above one of these interfaces. */
export function uppersIn({ id, links: text }: NamespaceLinks, interfaces: readonly OwnInterface[]): Use[] {
  const links = parseLinks(text)
  if (links === null) return [{ kind: 'hidden', what: `network namespace ${id} cannot be looked into` }]
  return links.flatMap(({ ifname, link_index, link_netnsid, linkinfo }) => {
    const kind = typeof linkinfo === 'object' && linkinfo !== null && 'info_kind' in linkinfo
    if (link_netnsid === undefined || (kind && PAIRS.includes(String(linkinfo.info_kind)))) return []
    const below = interfaces.find(({ index }) => index !== null && index === link_index)
    if (below === undefined) return []
    return [{ kind: 'upper-elsewhere', interface: below.name, upper: `${ifname} (${id})` }]
  })
}

function parseLinks(text: string | null): Readonly<Record<string, unknown>>[] | null {
  try {
    const json: unknown = JSON.parse(text ?? '')
    return Array.isArray(json) ? json.filter((one) => typeof one === 'object' && one !== null) : null
  } catch {
    return null
  }
}

/** Namespaces of processes, and those that are mounted to be kept without one (`ip netns add`, container engines). */
function otherNamespaces(): Namespace[] {
  const found = new Map<string, string>()
  for (const pid of listDirectory('/proc') ?? []) {
    const id = /^\d+$/.test(pid) ? readLink(`/proc/${pid}/ns/net`) : null
    if (id !== null && !found.has(id)) found.set(id, `/proc/${pid}/ns/net`)
  }
  // proc(5): the fourth field is the root within the file system, the fifth where it is mounted.
  for (const line of mounts()) {
    const [, , , id = '', path = ''] = line.split(' ')
    if (id.startsWith('net:[')) found.set(id, path)
  }
  const own = readLink('/proc/self/ns/net')
  return [...found].filter(([id]) => id !== own).map(([id, path]) => ({ id, path }))
}

function mounts(): string[] {
  try {
    return readFileSync('/proc/self/mountinfo', 'latin1').split('\n')
  } catch {
    return []
  }
}
