import { readFileSync } from 'node:fs'
import { inventoryMalformed, inventoryNotReadable } from '../errors/host.js'
import type { InventoryEntry } from './facts.js'
import { parseInventory } from './inventory-format.js'
import { errorCode } from './sysfs.js'
import { openSysroot } from './sysroot.js'

/** Where `nics scan` saves what it saw, beneath the sysroot. */
export const INVENTORY_PATH = '/var/lib/qemu-rt/nics.json'

/**
 * Reads what `nics scan` saved.
 * @returns the entries as they stand; none when nothing was saved yet
 * @throws {UserError} exit 65 when the file is malformed, 77 when this user may not read it
 */
export function readInventory(sysroot: string): InventoryEntry[] {
  const file = openSysroot(sysroot) + INVENTORY_PATH
  const text = readSaved(file, sysroot)
  if (text === null) return []
  const entries = parseInventory(text)
  if (typeof entries === 'string') throw inventoryMalformed({ file, sysroot, problem: entries })
  return entries
}

function readSaved(file: string, sysroot: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return null
    if (code === 'EACCES') throw inventoryNotReadable({ file })
    throw inventoryMalformed({ file, sysroot, problem: code ?? String(error) })
  }
}
