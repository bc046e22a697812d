import { decodeBytes } from '../argv/bytes.js'
import { type CommandLine, mergedValue, parseCommandLine, wordsOf } from '../argv/command-line.js'
import { readProcBytes } from '../host/proc.js'
import { type ThreadObject, unnamedObjects } from '../plan/threads/thread-objects.js'

/** What a process's arguments say, as far as they are QEMU's. */
export interface Arguments {
  readonly line: CommandLine
  /** Objects whose threads have no name of their own. */
  readonly unnamed: readonly ThreadObject[]
  readonly guest: string | null
}

/** libvirt's longest are below 100 KiB. Any user's process may show 6 MiB, which cost 8 seconds and 1 GB to read. */
const MOST_BYTES = 256 << 10
const MOST_WORDS = 16_384

/** @returns null as `parseArguments`, or when there is no such process */
export function readArguments(pid: number): Arguments | null {
  const bytes = readProcBytes(`/proc/${pid}/cmdline`, MOST_BYTES)
  return bytes === null ? null : parseArguments(bytes)
}

/**
 * Reads what /proc/PID/cmdline shows: a word after the other, each with a zero after it (proc(5)).
 * @returns null when there are none, or QEMU would refuse them, or they are more than 256 KiB or 16,384 words: a part of
 *   them would say something else
 */
export function parseArguments(bytes: Uint8Array): Arguments | null {
  if (bytes.length === 0 || bytes.length > MOST_BYTES || hasMoreWords(bytes, MOST_WORDS)) return null
  try {
    const line = parseCommandLine(wordsOf(decodeBytes(bytes).split('\0').slice(1, -1)))
    return { line, unnamed: unnamedObjects(line), guest: mergedValue(line, 'name', 'guest') ?? null }
  } catch {
    return null
  }
}

function hasMoreWords(bytes: Uint8Array, most: number): boolean {
  return bytes.reduce((count, byte) => count + (byte === 0 ? 1 : 0), 0) > most
}
