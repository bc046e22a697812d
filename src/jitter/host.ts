import { createHash } from 'node:crypto'
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { readAttribute } from '../host/sysfs.js'

/** What `host check` says of a host, as far as two runs are compared by it. */
export interface CheckSummary {
  /** How many checks have each result. */
  readonly counts: Readonly<Record<string, number>>
  /** Those that do not pass, by their permanent ids. */
  readonly notPassed: readonly { readonly id: string; readonly result: string }[]
}

/** The host of a measurement; null for what it does not say. */
export interface JitterHost {
  readonly kernel: string | null
  readonly commandLine: string | null
  readonly cpuModel: string | null
  readonly microcode: string | null
  readonly checks: CheckSummary | null
}

/** Of /proc/cpuinfo: one CPU is enough, and hundreds take a megabyte. */
const CPUINFO_BYTES = 8192

/** A command line has 2048 bytes on x86 (COMMAND_LINE_SIZE). */
const MOST_CHARACTERS = 4096

/** Reads which host this is. */
export function readJitterHost(checks: CheckSummary | null): JitterHost {
  const cpu = readBeginning('/proc/cpuinfo', CPUINFO_BYTES)
  const field = (name: string) => new RegExp(`^${name}\\s*: (.*)$`, 'm').exec(cpu)?.[1]?.trim() ?? null
  return {
    kernel: readAttribute('/proc/sys/kernel/osrelease'),
    commandLine: readAttribute('/proc/cmdline')?.slice(0, MOST_CHARACTERS) ?? null,
    cpuModel: field('model name'),
    microcode: field('microcode'),
    checks,
  }
}

function readBeginning(path: string, bytes: number): string {
  try {
    const file = openSync(path, 'r')
    try {
      const buffer = Buffer.alloc(bytes)
      return buffer.toString('utf8', 0, readSync(file, buffer, 0, bytes, 0))
    } finally {
      closeSync(file)
    }
  } catch {
    return ''
  }
}

/** SHA-256 of a configuration, by which two runs are told to have had the same; null when there is none. */
export function configurationHash(path: string): string | null {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex')
  } catch {
    return null
  }
}
