import { closeSync, openSync, readSync } from 'node:fs'

/** A process's or thread's stat file. */
export interface Stat {
  readonly name: string
  /** `R`, `S`, `Z` for one that has ended and was not waited for, … */
  readonly state: string
  /** A number of it, by its place in proc(5): 22 is the start time. */
  readonly field: (place: number) => number
}

/** Places in proc(5)'s stat. */
export const STAT = { flags: 9, startTime: 22, lastCpu: 39, priority: 40, policy: 41 } as const

/** Flags of a thread (include/linux/sched.h): one of the kernel's own, and one whose CPUs nobody may change. */
export const PF_KTHREAD = 0x0020_0000
export const PF_NO_SETAFFINITY = 0x0400_0000

/** Numbers of policies (linux/sched.h). */
const POLICIES = ['other', 'fifo', 'rr', 'batch', 'other', 'idle', 'deadline'] as const

/** A thread's policy. */
export function policyOf({ field }: Stat): (typeof POLICIES)[number] {
  return POLICIES[field(STAT.policy)] ?? 'other'
}

/** Reads a stat file's text; null when it is none. The name may have blanks and parentheses in it. */
export function parseStat(text: string): Stat | null {
  const start = text.indexOf(' (')
  const end = text.lastIndexOf(') ')
  if (start < 0 || end < start) return null
  const name = text.slice(start + 2, end)
  // The state is the third of all.
  const fields = text.slice(end + 2)
  return {
    name,
    state: fields.charAt(0),
    field: (place) => Number(fields.split(' ', place - 2)[place - 3] ?? 0),
  }
}

/**
 * What the kernel takes of arguments and environment (fs/exec.c, bprm_stack_limits: three quarters of 8 MiB). A process
 * may have /proc show any part of its memory instead (prctl(2), PR_SET_MM_MAP).
 */
const MAX_BYTES = 6 << 20

const CHUNK = 65_536

let buffer = Buffer.alloc(0)

/** Reads a file of /proc; null when the process has ended, is not this user's to look at, or shows more than 6 MiB. */
export function readProc(path: string): string | null {
  return readInto(path, MAX_BYTES)?.toString('latin1') ?? null
}

/** As `readProc`, in bytes. @param most how many there may be */
export function readProcBytes(path: string, most = MAX_BYTES): Buffer | null {
  const bytes = readInto(path, most)
  return bytes === null ? null : Buffer.from(bytes)
}

/** @returns a part of `buffer`, into which the next file is read, too */
function readInto(path: string, most: number): Buffer | null {
  try {
    const file = openSync(path, 'r')
    try {
      let size = 0
      for (;;) {
        if (size === buffer.length) buffer = Buffer.concat([buffer], Math.max(CHUNK, 2 * size))
        const read = readSync(file, buffer, size, buffer.length - size, null)
        if (read === 0) return buffer.subarray(0, size)
        size += read
        if (size > most) return null
      }
    } finally {
      closeSync(file)
    }
  } catch {
    return null
  }
}
