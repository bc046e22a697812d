import { readFileSync, writeFileSync } from 'node:fs'
import { undoneOnExit } from '../common/undo.js'
import { isolate, release } from './isolation.js'

/** Of a second, how many microseconds real-time threads may have; -1 is without a limit. */
const THROTTLING = '/proc/sys/kernel/sched_rt_runtime_us'

/** What the kernel has when nobody changed it. */
const THROTTLED = '950000'
const UNTHROTTLED = '-1'

/** Why throttling cannot be switched here; null when it can. Writing what is there changes nothing. */
export function throttlingObstacle(): string | null {
  try {
    writeFileSync(THROTTLING, readFileSync(THROTTLING))
    return null
  } catch {
    return `${THROTTLING} cannot be written: run it outside of a container`
  }
}

/** How the host is set while a guest runs. */
export interface HostState {
  readonly isThrottled: boolean
  readonly isIsolated: boolean
}

/**
 * Runs something that sets the host, and puts back what there was, also when this program exits meanwhile.
 * @param run `stopped` is aborted then
 */
export async function withHostRestored<T>(
  run: (set: (state: HostState) => void, stopped: AbortSignal) => Promise<T>,
): Promise<T> {
  const throttling = readFileSync(THROTTLING, 'utf8')
  const stop = new AbortController()
  let isIsolated = false
  const setIsolated = (wanted: boolean) => {
    if (wanted === isIsolated) return
    // Before, so that what was done of it is undone when the rest fails.
    isIsolated = wanted
    if (wanted) isolate()
    else release()
  }
  const end = undoneOnExit(() => {
    setIsolated(false)
    writeFileSync(THROTTLING, throttling)
    stop.abort()
  })
  try {
    return await run((state) => {
      writeFileSync(THROTTLING, state.isThrottled ? THROTTLED : UNTHROTTLED)
      setIsolated(state.isIsolated)
    }, stop.signal)
  } finally {
    end()
  }
}
