import { readdirSync, readlinkSync } from 'node:fs'
import { readShortFile } from './short-file.js'

/**
 * Reads one attribute, without the newline at its end.
 * @returns null when it is not there or cannot be read: a device may vanish while it is looked at
 */
export function readAttribute(path: string): string | null {
  return readShortFile(path)?.trimEnd() ?? null
}

/** Reads an attribute that holds a decimal number; null when there is none. */
export function readNumber(path: string): number | null {
  const text = readAttribute(path)
  return text !== null && /^-?\d+$/.test(text) ? Number(text) : null
}

/** Where a symbolic link points, as it is written; null when there is no link. */
export function readLink(path: string): string | null {
  try {
    return readlinkSync(path)
  } catch {
    return null
  }
}

/** The last component of where a link points: the driver's name, the group's number. */
export function readLinkName(path: string): string | null {
  const target = readLink(path)
  return target === null ? null : target.slice(target.lastIndexOf('/') + 1)
}

/** Names in a directory, in no certain order; null when it cannot be listed. */
export function listDirectory(path: string): string[] | null {
  try {
    return readdirSync(path)
  } catch {
    return null
  }
}

/** The errno name of an error (`ENOENT`); null when it has none. */
export function errorCode(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null
}

/** Major and minor number of a device (makedev(3)). @param device as stat(2) gives it */
export function splitDeviceNumber(device: number): { readonly major: number; readonly minor: number } {
  return {
    major: ((device >>> 8) & 0xfff) | (Math.floor(device / 2 ** 32) & 0xfffff000),
    minor: (device & 0xff) | ((device >>> 12) & 0xfff00),
  }
}
