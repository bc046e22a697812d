import { existsSync, readFileSync } from 'node:fs'
import { askProgram } from '../program.js'
import { readLink } from '../sysfs.js'
import type { OwnInterface } from './interfaces.js'
import type { Use } from './use.js'

/** A network namespace other than this process's, and a file that nsenter(1) takes it by. */
interface Namespace {
  readonly id: string
  readonly path: string
}

/** Another network namespace, as programs see it from within. */
export interface NamespaceView {
  readonly id: string
  /** What `ip -json -details link show` prints; null when it could not be asked. */
  readonly links: string | null
  /** What `lsns --json --type net --output NS,NETNSID` prints: by which number it knows other namespaces. */
  readonly numbers: () => string | null
}

/** A machine may have thousands of namespaces, and any user can make some. */
const TIME = 10_000

/**
 * Looks into all other network namespaces: a VLAN or macvlan that was moved there leaves no trace at the interface below it
 * (Linux net/core/dev.c, netdev_adjacent_is_neigh_list). Root alone can; others change nothing either. What is not looked
 * into within 10 seconds is not seen.
 */
export function readNamespaces(): NamespaceView[] {
  const end = Date.now() + TIME
  const first = lookInto(end)
  // A process that has ended meanwhile may have left its namespace to others.
  return first.isComplete ? first.views : lookInto(end).views
}

function lookInto(end: number): { readonly views: NamespaceView[]; readonly isComplete: boolean } {
  const namespaces = otherNamespaces()
  const views: NamespaceView[] = []
  let isComplete = true
  for (const { id, path } of namespaces ?? []) {
    const ask = (command: readonly string[]) => askProgram(['nsenter', `--net=${path}`, ...command])
    const isLate = Date.now() > end
    const links = isLate ? null : ask(['ip', '-json', '-details', 'link', 'show'])
    if (links === null && !existsSync(path)) isComplete = false
    const numbers = () => ask(['lsns', '--json', '--type', 'net', '--output', 'NS,NETNSID'])
    views.push({ id, links, numbers })
    if (isLate) break
  }
  const unlisted = { id: 'other than ours', links: null, numbers: () => null }
  return { views: namespaces === null ? [unlisted] : views, isComplete }
}

/** Kinds whose `link_index` is that of a peer, not of a device below. */
const PAIRS = ['veth', 'netkit', 'vxcan']

/**
 * The devices of another namespace that are above one of these interfaces.
 * @param own this process's network namespace, `net:[4026531840]`
 */
export function uppersIn(
  { id, links: text, numbers }: NamespaceView,
  interfaces: readonly OwnInterface[],
  own: string | null,
): Use[] {
  const hidden: Use = { kind: 'hidden', what: `network namespace ${id} cannot be looked into` }
  const links = parseList(text)
  if (links === null) return [hidden]
  const found = links.flatMap(({ ifname, link_index, link_netnsid, linkinfo }) => {
    const isPair = PAIRS.includes(String(asObject(linkinfo).info_kind))
    const below = interfaces.find(({ index }) => index !== null && index === link_index)
    if (link_netnsid === undefined || isPair || below === undefined) return []
    const use: Use = { kind: 'upper-elsewhere', interface: below.name, upper: `${ifname} (${id})` }
    return [{ use, number: String(link_netnsid) }]
  })
  if (found.length === 0) return []
  // A number stands for a namespace, whose device of that index it is: any user can have one above a device of his own.
  const ours = numberOf(own, numbers())
  return ours === null ? [hidden] : found.filter(({ number }) => number === ours).map(({ use }) => use)
}

/** By which number a namespace knows ours: `unassigned` for by none; null when it cannot be seen. */
function numberOf(own: string | null, text: string | null): string | null {
  const inode = /^net:\[(\d+)\]$/.exec(own ?? '')?.[1]
  const entry = parseNamespaces(text).find(({ ns }) => String(ns) === inode)
  return typeof entry?.netnsid === 'string' ? entry.netnsid : null
}

/** What lsns(8) prints. */
function parseNamespaces(text: string | null): Answer[] {
  const { namespaces } = asObject(parse(text))
  return Array.isArray(namespaces) ? namespaces.map(asObject) : []
}

function parse(text: string | null): unknown {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return null
  }
}

type Answer = Readonly<Record<string, unknown>>

function parseList(text: string | null): Answer[] | null {
  const json = parse(text)
  return Array.isArray(json) ? json.map(asObject) : null
}

function asObject(json: unknown): Answer {
  return typeof json === 'object' && json !== null ? (json as Answer) : {}
}

/** This process's network namespace. */
export function ownNamespace(): string | null {
  return readLink('/proc/self/ns/net')
}

/**
 * Namespaces of processes, and those that are mounted to be kept without one (`ip netns add`, container engines). Of
 * processes lsns(8) is asked: libvirt's AppArmor profile, which its hook has, keeps confined processes' from us, not from it.
 * @returns null when they cannot be listed
 */
function otherNamespaces(): Namespace[] | null {
  const listed = parseNamespaces(askProgram(['lsns', '--json', '--type', 'net', '--output', 'NS,PID']))
  if (listed.length === 0) return null
  const found = new Map(listed.map(({ ns, pid }) => [`net:[${ns}]`, `/proc/${pid}/ns/net`]))
  // proc(5): the fourth field is the root within the file system, the fifth where it is mounted.
  for (const line of mounts()) {
    const [, , , id = '', path = ''] = line.split(' ')
    if (id.startsWith('net:[')) found.set(id, path)
  }
  const own = ownNamespace()
  return [...found].filter(([id]) => id !== own).map(([id, path]) => ({ id, path }))
}

function mounts(): string[] {
  try {
    return readFileSync('/proc/self/mountinfo', 'latin1').split('\n')
  } catch {
    return []
  }
}
