import { readFileSync, writeFileSync } from 'node:fs'
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
 * Runs something that sets the host, and puts back what there was, also when this program is ended by a signal.
 * @param run `stopped` is aborted by such a signal
 */
export async function withHostRestored<T>(
  run: (set: (state: HostState) => void, stopped: AbortSignal) => Promise<T>,
): Promise<T> {
  const throttling = readFileSync(THROTTLING, 'utf8')
  const stop = new AbortController()
  let isIsolated = false
  const setIsolated = (wanted: boolean) => {
    if (wanted !== isIsolated) (wanted ? isolate : release)()
    isIsolated = wanted
  }
  const restore = () => {
    writeFileSync(THROTTLING, throttling)
    setIsolated(false)
  }
  const onSignal = () => {
    restore()
    stop.abort()
    process.exit(130)
  }
  for (const signal of SIGNALS) process.once(signal, onSignal)
  try {
    return await run((state) => {
      writeFileSync(THROTTLING, state.isThrottled ? THROTTLED : UNTHROTTLED)
      setIsolated(state.isIsolated)
    }, stop.signal)
  } finally {
    restore()
    for (const signal of SIGNALS) process.off(signal, onSignal)
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
