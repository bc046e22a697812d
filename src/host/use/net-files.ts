import { readFileSync } from 'node:fs'
import { errorCode } from '../sysfs.js'
import type { Root } from '../sysroot.js'
import type { OwnInterface } from './interfaces.js'
import type { Use } from './use.js'

/**
 * What the files in /proc/net say of an interface: all of IPv6, of IPv4 the routes of the main table. Which interface has
 * an IPv4 address they do not say, see `strayAddresses`.
 */
export function usesByFiles(root: Root, nic: OwnInterface): Use[] {
  const { name } = nic
  const devices = linesOf(root, 'dev')
  const routes = linesOf(root, 'route')
  if (devices === null || routes === null) {
    return [{ kind: 'hidden', what: `${name}: ${root}/proc/net cannot be read` }]
  }
  if (!devices.some((line) => line.slice(0, line.lastIndexOf(':')).trim() === name)) {
    return [{ kind: 'hidden', what: `${name} is not in the network namespace of this process` }]
  }
  const six = sixLines(root)
  if (six === null) return [{ kind: 'hidden', what: `${name}: its IPv6 addresses cannot be read` }]
  const mode = readText(`${root}/proc/sys/net/ipv6/conf/${name}/addr_gen_mode`)?.trim() ?? null
  return [
    ...six.addresses.flatMap((line) => addressOf(line, name, mode)),
    ...routes.flatMap((line) => routeOf(line, name)),
    ...six.routes.flatMap((line) => routeOfSix(line, name)),
  ]
}

/** The files of IPv6; without IPv6 in the kernel there are none, nor its settings. Null when they cannot be read. */
function sixLines(root: Root): { addresses: readonly string[]; routes: readonly string[] } | null {
  const addresses = linesOf(root, 'if_inet6')
  const routes = linesOf(root, 'ipv6_route')
  if (addresses !== null && routes !== null) return { addresses, routes }
  const isAbsent = [`${root}/proc/sys/net/ipv6`, `${root}/proc/net/if_inet6`].every(isMissing)
  return isAbsent ? { addresses: [], routes: [] } : null
}

const KERNEL_MAKES_THEM_UP = ['2', '3']

/** A line of if_inet6 (proc(5)): address, index, prefix length, scope, flags, name. */
function addressOf(line: string, name: string, mode: string | null): Use[] {
  const [address = '', , length = '', , , device] = line.trim().split(/\s+/)
  if (device !== name) return []
  if (length === '40' && isKernels(address, mode)) return []
  return [{ kind: 'address', interface: name, address: `${colons(address)}/${Number.parseInt(length, 16)}` }]
}

/**
 * Whether the kernel made a link-local address itself, as it does for every interface that is up: of the MAC address (RFC
 * 4291, appendix A), or where addr_gen_mode says so (Linux Documentation/networking/ip-sysctl.rst) by a hash. A router's
 * fe80::1 is a person's.
 */
function isKernels(address: string, mode: string | null): boolean {
  if (!address.startsWith('fe80000000000000')) return false
  const id = address.slice(16)
  if (/^.{6}fffe/.test(id)) return true
  return mode !== null && KERNEL_MAKES_THEM_UP.includes(mode) && !id.startsWith('00000000')
}

/** A line of route (proc(5)): interface, destination, gateway, …, mask; the main table alone. */
function routeOf(line: string, name: string): Use[] {
  const [device = '', destination = '', , , , , , mask = ''] = line.trim().split(/\s+/)
  if (device !== name) return []
  return [{ kind: 'route', interface: name, route: `${dots(destination)}/${bits(mask)}` }]
}

const NO_GATEWAY = '0'.repeat(32)

/** Destinations and prefix lengths of the routes that the kernel gives every interface (net/ipv6/addrconf.c). */
const EVERY_LINK = /^(fe80000000000000.{16}:(40|80)|ff0{30}:08)$/

/** A line of ipv6_route (proc(5)), of every table: destination, length, source, length, next hop, …, interface. */
function routeOfSix(line: string, name: string): Use[] {
  const [destination = '', length = '', , , gateway = '', , , , , device] = line.trim().split(/\s+/)
  if (device !== name) return []
  if (gateway === NO_GATEWAY && EVERY_LINK.test(`${destination}:${length}`)) return []
  return [{ kind: 'route', interface: name, route: `${colons(destination)}/${Number.parseInt(length, 16)}` }]
}

/**
 * IPv4 addresses of the host that no route of another interface explains: with `noprefixroute` an address has none, and
 * the files do not say whose it is (Linux net/ipv4/fib_trie.c, fib_trie_seq_show).
 * @returns null when the files cannot be read
 */
export function strayAddresses(root: Root, name: string): string[] | null {
  const trie = linesOf(root, 'fib_trie')
  const routes = linesOf(root, 'route')
  if (trie === null || routes === null) return null
  const others = routes
    .map((line) => line.trim().split(/\s+/))
    .filter(([device]) => device !== name)
    .map(([, destination = '', gateway = '', , , , , mask = '']) => ({ destination, gateway, mask }))
    .filter(({ gateway, mask }) => gateway === '00000000' && mask !== '00000000')
  const isExplained = (address: string) =>
    address.startsWith('127.') ||
    others.some(({ destination, mask }) => (number(address) & hex(mask)) >>> 0 === hex(destination))
  const own = trie.flatMap((line, at) => {
    const address = /^ *\|-- ([\d.]+)$/.exec(trie[at - 1] ?? '')?.[1]
    return address !== undefined && /^ *\/32 host LOCAL/.test(line) ? [address] : []
  })
  return [...new Set(own)].filter((address) => !isExplained(address))
}

function linesOf(root: Root, name: string): string[] | null {
  return readText(`${root}/proc/net/${name}`)?.split('\n') ?? null
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return null
  }
}

function isMissing(path: string): boolean {
  try {
    readFileSync(path)
    return false
  } catch (error) {
    return errorCode(error) === 'ENOENT'
  }
}

/** `20010db8…` → `2001:db8:…`, as a person writes it. */
function colons(digits: string): string {
  const groups = (digits.match(/.{4}/g) ?? []).map((group) => group.replace(/^0+(?=.)/, ''))
  return groups.join(':').replace(/(^|:)0(:0)+(:|$)/, '::')
}

/** The kernel prints an IPv4 address as a number of the machine, which is little-endian (x86, ARM). */
function dots(digits: string): string {
  return (digits.match(/../g) ?? [])
    .reverse()
    .map((byte) => Number.parseInt(byte, 16))
    .join('.')
}

function bits(mask: string): number {
  return hex(mask).toString(2).replaceAll('0', '').length
}

/** A number of `route`, in the order of the network. */
function hex(digits: string): number {
  return number(dots(digits))
}

function number(address: string): number {
  return address.split('.').reduce((sum, byte) => (sum << 8) + Number(byte), 0) >>> 0
}
