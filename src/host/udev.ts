import { readFileSync } from 'node:fs'
import type { Root } from './sysroot.js'

/**
 * Properties that hold an interface's names, in the order of AlternativeNamesPolicy= (systemd.link(5)). Older releases
 * of systemd leave `mac` out of the policy; the name is unique all the same.
 */
const PROPERTIES = [
  'ID_NET_NAME_FROM_DATABASE',
  'ID_NET_NAME_ONBOARD',
  'ID_NET_NAME_SLOT',
  'ID_NET_NAME_PATH',
  'ID_NET_NAME_MAC',
]

/**
 * Reads the names that udev knows an interface by besides its own: altnames are not in sysfs, and asking for them over
 * netlink would take a process. Altnames that were given by hand are not here; `nics scan` saves those.
 * @param index the interface's ifindex: udev's record of it is /run/udev/data/n<ifindex>
 * @returns names without `name` itself; none when udev does not run
 */
export function readUdevNames(root: Root, index: number, name: string): string[] {
  const record = readRecord(`${root}/run/udev/data/n${index}`)
  const names = PROPERTIES.flatMap((property) => record.get(property) ?? [])
  return [...new Set(names)].filter((other) => other !== name)
}

/** Reads the properties, `E:KEY=value` a line, of a udev record. */
function readRecord(path: string): ReadonlyMap<string, string> {
  try {
    const text = readFileSync(path, 'utf8')
    return new Map([...text.matchAll(/^E:([^=\n]+)=(.+)$/gm)].map(([, key = '', value = '']) => [key, value]))
  } catch {
    return new Map()
  }
}
