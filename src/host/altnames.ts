import { execFileSync } from 'node:child_process'

/**
 * Asks the kernel, through `ip`, for the altnames of this host's interfaces, also those that were given by hand. Takes
 * a process, so it is for `nics scan`, not for a launch.
 * @returns altnames by interface name; `{}` when there is no `ip` that can tell
 */
export function readAltnames(): Readonly<Record<string, readonly string[]>> {
  try {
    return parseAltnames(
      execFileSync('ip', ['-j', 'link', 'show'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
    )
  } catch {
    return {}
  }
}

/**
 * Reads the output of `ip -j link show`.
 * @throws {SyntaxError} when it is not JSON
 */
export function parseAltnames(json: string): Readonly<Record<string, readonly string[]>> {
  const links: unknown = JSON.parse(json)
  return Object.fromEntries(Array.isArray(links) ? links.flatMap(altnamesOf) : [])
}

function altnamesOf(link: unknown): [string, string[]][] {
  if (typeof link !== 'object' || link === null || !('ifname' in link) || !('altnames' in link)) return []
  const { ifname, altnames } = link
  if (typeof ifname !== 'string' || !Array.isArray(altnames)) return []
  return [[ifname, altnames.filter((name) => typeof name === 'string')]]
}
