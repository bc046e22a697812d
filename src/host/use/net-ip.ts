import { askProgram } from '../program.js'
import type { Use } from './use.js'

/** What ip(8) says of every interface of this network namespace, as JSON texts; null for what it did not say. */
export interface IpAnswers {
  readonly addresses: string | null
  readonly routes: string | null
  readonly routesOfSix: string | null
}

/** Asks iproute2: whose an IPv4 address is, and what other tables than the main one route, no file in /proc says. */
export function askIp(): IpAnswers {
  return {
    addresses: askProgram(['ip', '-json', 'address', 'show']),
    routes: askProgram(['ip', '-json', '-4', 'route', 'show', 'table', 'all']),
    routesOfSix: askProgram(['ip', '-json', '-6', 'route', 'show', 'table', 'all']),
  }
}

/** The uses of an interface in what ip(8) says. What it did not say, or says unlike iproute2 4.18 and later, is hidden. */
export function usesByIp({ addresses, routes, routesOfSix }: IpAnswers, name: string): Use[] {
  const links = parseList(addresses)
  const link = links?.find(({ ifname }) => ifname === name)
  const listed = parseList(routes)
  // Without IPv6 in the kernel ip prints nothing.
  const listedOfSix = routesOfSix === '' ? [] : parseList(routesOfSix)
  if (link === undefined || !Array.isArray(link.addr_info) || listed === null || listedOfSix === null) {
    return [{ kind: 'hidden', what: `${name}: its addresses and routes, as ip (iproute2) does not tell` }]
  }
  return [
    ...(link.xdp === undefined ? [] : [{ kind: 'xdp', interface: name } as const]),
    ...link.addr_info.map(asObject).flatMap((one) => addressOf(one, name)),
    ...[...listed, ...listedOfSix].flatMap((one) => routeOf(one, name)),
  ]
}

/** Asks iproute2 what programs have of every RDMA device; null when it does not say. */
export function askRdma(): string | null {
  return askProgram(['rdma', '-json', 'resource', 'show'])
}

/**
 * How many contexts programs have of an RDMA device, one for each time that one has opened it, as the kernel counts them for
 * rdma-resource(8) since Linux 5.0 (drivers/infiniband/core/nldev.c, fill_res_info).
 * @param text see `askRdma`
 * @returns null when it does not say
 */
export function contextsOf(text: string | null, device: string | null): number | null {
  const count = parseList(text)?.find(({ ifname }) => ifname === device)?.ctx
  return typeof count === 'number' ? count : null
}

/** IPv6 addresses are those of /proc/net/if_inet6, which tells the kernel's own from others. */
function addressOf({ family, local, prefixlen }: Answer, name: string): Use[] {
  if (family === 'inet6') return []
  return [{ kind: 'address', interface: name, address: `${local}/${prefixlen}` }]
}

/** Destinations that every interface has a route to; those of its own addresses are told as these. */
const EVERY_LINK = /^(fe80::[\da-f:]*(\/64)?|ff00::\/8|multicast ff00::\/8)$/

function routeOf({ dst, dev, gateway, nexthops, table }: Answer, name: string): Use[] {
  const hops = Array.isArray(nexthops) ? nexthops.map(asObject).map((hop) => hop.dev) : []
  if (dev !== name && !hops.includes(name)) return []
  const isEveryLinks = gateway === undefined && hops.length === 0 && EVERY_LINK.test(String(dst))
  if (isEveryLinks) return []
  const where = table === undefined || table === 'main' ? '' : ` in table ${table}`
  return [{ kind: 'route', interface: name, route: `${dst}${where}` }]
}

type Answer = Readonly<Record<string, unknown>>

/** A list of objects; null for whatever is no such text. */
function parseList(text: string | null): Answer[] | null {
  try {
    const json: unknown = JSON.parse(text ?? '')
    return Array.isArray(json) ? json.map(asObject) : null
  } catch {
    return null
  }
}

function asObject(json: unknown): Answer {
  return typeof json === 'object' && json !== null ? (json as Answer) : {}
}
