import { join } from 'node:path'
import { UserError } from '../errors/user-error.js'
import { readProc } from '../host/proc.js'
import { listDirectory } from '../host/sysfs.js'
import { lastRun } from '../jitter/diff/compare.js'
import { readResult } from '../jitter/diff/read.js'
import type { VmStatus } from '../status/vms.js'
import type { SavedJitter } from './samples.js'

/** Where results of `jitter --format json` are looked for, as *.json. */
const JITTER_DIRECTORY = '/var/lib/qemu-rt/jitter'

/** As many as are read; the latest of each mode and profile counts. */
const MOST_RESULTS = 256

/**
 * Reads the results that somebody has saved.
 * @param say called with a line for each file that is none
 */
export function readSavedJitter(say: (line: string) => void): SavedJitter[] {
  const names = (listDirectory(JITTER_DIRECTORY) ?? []).filter((name) => name.endsWith('.json')).sort()
  return names.slice(-MOST_RESULTS).flatMap((name) => {
    try {
      const result = readResult(join(JITTER_DIRECTORY, name))
      const { mode, profile, worstMicroseconds } = lastRun(result)
      const time = Date.parse(result.time ?? '') / 1000
      if (!Number.isFinite(time)) return []
      return [{ mode, profile: profile ?? '', worstSeconds: worstMicroseconds / 1e6, time }]
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      say(error.message)
      return []
    }
  })
}

/**
 * How long each vCPU has waited for a CPU since it began: the second field of schedstat, in nanoseconds (Linux
 * Documentation/scheduler/sched-stats.rst).
 * @returns seconds by TID; without those that have ended, and empty where the kernel does not count
 */
export function readRunDelays(vms: readonly VmStatus[]): Map<number, number> {
  return new Map(
    vms.flatMap(({ pid, threads }) =>
      threads.flatMap(({ thread: { tid }, role }): [number, number][] => {
        if (role.kind !== 'vcpu') return []
        const delay = readProc(`/proc/${pid}/task/${tid}/schedstat`)?.split(' ')[1]
        return delay === undefined ? [] : [[tid, Number(delay) / 1e9]]
      }),
    ),
  )
}
