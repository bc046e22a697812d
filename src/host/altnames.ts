import { askProgram } from './program.js'

/**
 * Asks the kernel, through `ip`, for the altnames of this host's interfaces, also those that were given by hand. Takes
 * a process, so it is for `nics scan`, not for a launch.
 * @returns altnames by interface name; `{}` when there is no `ip` that can tell
 */
export function readAltnames(): Readonly<Record<string, readonly string[]>> {
  return parseAltnames(askProgram(['ip', '-j', 'link', 'show']))
}

/**
 * Reads the output of `ip -j link show`.
 * @param printed null when it could not be run
 * @returns `{}` for what is no list of interfaces, as an old `ip` prints
 */
export function parseAltnames(printed: string | null): Readonly<Record<string, readonly string[]>> {
  const links = parsed(printed ?? '')
  return Object.fromEntries(Array.isArray(links) ? links.flatMap(altnamesOf) : [])
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return null
  }
}

function altnamesOf(link: unknown): [string, string[]][] {
  if (typeof link !== 'object' || link === null || !('ifname' in link) || !('altnames' in link)) return []
  const { ifname, altnames } = link
  if (typeof ifname !== 'string' || !Array.isArray(altnames)) return []
  return [[ifname, altnames.filter((name) => typeof name === 'string')]]
}
