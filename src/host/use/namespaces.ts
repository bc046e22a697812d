import type { OwnInterface } from './interfaces.js'
import { isEmptyNamespace, lookInto, lsns, type Namespace, otherNamespaces } from './look-into.js'
import { asObject, parseList, parseNamespaces } from './namespace-list.js'
import type { Use } from './use.js'

/** Another network namespace, as programs see it from within. */
export interface NamespaceView {
  readonly id: string
  /** What `ip -json -details link show` prints; null when it could not be asked. */
  readonly links: string | null
  /** What `lsns --json --type net --output NS,NETNSID` prints: by which number it knows other namespaces; `gone` when it has ended. */
  readonly numbers: () => string | null
}

/** In place of what lsns prints. */
const GONE = 'gone'

/** A machine may have thousands of namespaces, and any user can make some. */
const TIME = 10_000

/**
 * Looks into all other network namespaces: a VLAN or macvlan that was moved there leaves no trace at the interface below it
 * (Linux net/core/dev.c, netdev_adjacent_is_neigh_list). Root alone can; others change nothing either. What is not looked
 * into within 10 seconds is not seen.
 */
export function readNamespaces(): NamespaceView[] {
  const listed = otherNamespaces()
  if (listed === null) return [{ id: 'other than ours', links: null, numbers: () => null }]
  return viewsOf(listed, Date.now() + TIME)
}

/**
 * Looks into namespaces that were listed.
 * @param end until when, by Date.now(), programs are asked
 * @returns without those that have ended; of those that could not be looked into the first, which is enough to refuse
 */
export function viewsOf(listed: readonly Namespace[], end: number): NamespaceView[] {
  const found = lookInto(listed, end, (ask, namespace) => {
    if (isEmptyNamespace(namespace)) return '[]'
    return Date.now() > end ? null : ask(['ip', '-json', '-details', 'link', 'show'])
  })
  const views = listed.flatMap((namespace) => {
    const { id } = namespace
    const links = found.get(id)
    return links === undefined ? [] : [{ id, links, numbers: () => numbersIn(namespace) }]
  })
  const [hidden, ...others] = views.filter(({ links }) => links === null)
  return hidden === undefined ? views : views.filter((view) => !others.includes(view))
}

/** As `numbers` of a view. */
export function numbersIn(namespace: Namespace): string | null {
  const found = lookInto([namespace], Date.now() + TIME, (ask) => lsns(ask, 'NS,NETNSID')).get(namespace.id)
  return found === undefined ? GONE : found
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
  const told = numbers()
  if (told === GONE) return []
  const ours = numberOf(own, told)
  return ours === null ? [hidden] : found.filter(({ number }) => number === ours).map(({ use }) => use)
}

/** By which number a namespace knows ours: `unassigned` for by none; null when it cannot be seen. */
function numberOf(own: string | null, text: string | null): string | null {
  const inode = /^net:\[(\d+)\]$/.exec(own ?? '')?.[1]
  const entry = parseNamespaces(text).find(({ ns }) => String(ns) === inode)
  return typeof entry?.netnsid === 'string' ? entry.netnsid : null
}
