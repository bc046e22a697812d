import {
  chmodSync,
  closeSync,
  fchmodSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { inventoryMalformed, inventoryNotReadable, inventoryNotWritable } from '../errors/host.js'
import { directoryOf } from '../units/path.js'
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
  const text = readSaved(file)
  if (text === null) return []
  const entries = parseInventory(text)
  if (typeof entries === 'string') throw inventoryMalformed({ file, problem: entries })
  return entries
}

function readSaved(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return null
    if (code === 'EACCES') throw inventoryNotReadable({ file })
    throw inventoryMalformed({ file, problem: code ?? String(error) })
  }
}

/**
 * Saves the inventory. A launch at the same time reads the old file or the new one; so it is after a power cut.
 * Everyone may read it, since libvirt starts VMs as its own user.
 * @throws {UserError} exit 77 when this user may not write it, 69 when the disk cannot take it
 */
export function writeInventory(sysroot: string, entries: readonly InventoryEntry[]): void {
  const file = openSysroot(sysroot) + INVENTORY_PATH
  const temporary = `${file}.${process.pid}`
  try {
    // The umask of a hardened root shell is 077; of a careless service 0.
    if (mkdirSync(directoryOf(file), { recursive: true, mode: 0o755 }) !== undefined)
      chmodSync(directoryOf(file), 0o755)
    writeDurably(temporary, `${JSON.stringify({ version: 1, devices: entries }, null, 2)}\n`)
    renameSync(temporary, file)
    syncDirectory(directoryOf(file))
  } catch (error) {
    discard(temporary)
    throw inventoryNotWritable({ file, reason: errorCode(error) ?? String(error) })
  }
}

function writeDurably(path: string, text: string): void {
  const fd = openSync(path, 'wx', 0o644)
  try {
    fchmodSync(fd, 0o644)
    writeFileSync(fd, text)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function discard(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch {
    // What kept the file from being written may keep it from being looked up.
  }
}

function syncDirectory(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
