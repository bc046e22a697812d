import { readFileSync } from 'node:fs'
import type { Root } from '../sysroot.js'
import type { Use } from './use.js'

/**
 * What a captured host's devices were used for when it was captured, by PCI address: of addresses and routes no files tell
 * all. It is never read of a host that runs.
 */
export const CAPTURED_USES_PATH = '/host-uses.json'

/** The text of the file. */
export function formatCapturedUses(uses: Readonly<Record<string, readonly Use[]>>): string {
  return `${JSON.stringify({ version: 1, uses }, null, 2)}\n`
}

/** Reads the file of a captured host; null when it has none. One that is no such file hides everything. */
export function readCapturedUses(root: Root): ((address: string) => readonly Use[]) | null {
  let text: string
  try {
    text = readFileSync(root + CAPTURED_USES_PATH, 'utf8')
  } catch {
    return null
  }
  const uses = parseUses(text)
  const unknown: readonly Use[] = [{ kind: 'hidden', what: `${CAPTURED_USES_PATH} does not say` }]
  return (address) => (uses !== null && Object.hasOwn(uses, address) ? (uses[address] ?? unknown) : unknown)
}

function parseUses(text: string): Readonly<Record<string, readonly Use[]>> | null {
  try {
    const json = JSON.parse(text)
    if (json?.version !== 1 || typeof json.uses !== 'object' || json.uses === null) return null
    return Object.values(json.uses).every(isUses) ? json.uses : null
  } catch {
    return null
  }
}

function isUses(json: unknown): boolean {
  return Array.isArray(json) && json.every((one) => typeof one?.kind === 'string')
}
