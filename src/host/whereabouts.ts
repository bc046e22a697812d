import type { PciAddress } from '../units/pci-address.js'
import { devicePath } from './pci.js'
import { readAttribute, readLink } from './sysfs.js'
import type { Root } from './sysroot.js'

/**
 * What tells whether an address still means the device that it meant: bus numbers are given at boot, in the order in which
 * bridges are found, so that a card more moves others to other addresses.
 */
export interface Whereabouts {
  /** The kernel's own name of this boot; null when the host does not say. */
  readonly bootId: string | null
  /** The bridges above a device, `pci0000:00/0000:00:01.0`; null when the host does not say. */
  readonly bridgesOf: (address: PciAddress) => string | null
}

/** A UUID that the kernel makes once a boot (Linux Documentation/admin-guide/sysctl/kernel.rst, random). */
const BOOT_ID_PATH = '/proc/sys/kernel/random/boot_id'

/** Reads which boot this is, and the way to each device when it is asked for. */
export function readWhereabouts(root: Root): Whereabouts {
  return {
    bootId: readAttribute(root + BOOT_ID_PATH) || null,
    bridgesOf: (address) => bridgesIn(readLink(devicePath(root, address)) ?? ''),
  }
}

/** The bus has a link to the device's place in the tree: `../../../devices/pci0000:00/0000:00:01.0/0000:03:00.0`. */
function bridgesIn(target: string): string | null {
  return /^(?:\.\.\/)+devices\/(.+)\/[^/]+$/.exec(target)?.[1] ?? null
}
