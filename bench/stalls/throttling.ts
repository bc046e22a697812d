import { readFileSync, writeFileSync } from 'node:fs'

/** Of a second, how many microseconds real-time threads may have; -1 is without a limit. */
const FILE = '/proc/sys/kernel/sched_rt_runtime_us'

/** What the kernel has when nobody changed it. */
const ON = '950000'
const OFF = '-1'

/** Why throttling cannot be switched here; null when it can. Writing what is there changes nothing. */
export function throttlingObstacle(): string | null {
  try {
    writeFileSync(FILE, readFileSync(FILE))
    return null
  } catch {
    return `${FILE} cannot be written: run it outside of a container`
  }
}

/**
 * Runs something that switches throttling, and puts back what there was, also when this program is ended by a signal.
 * @param run `stopped` is aborted by such a signal
 */
export async function withThrottlingRestored<T>(
  run: (throttle: (isOn: boolean) => void, stopped: AbortSignal) => Promise<T>,
): Promise<T> {
  const before = readFileSync(FILE, 'utf8')
  const stop = new AbortController()
  const restore = () => writeFileSync(FILE, before)
  const onSignal = () => {
    restore()
    stop.abort()
    process.exit(130)
  }
  for (const signal of SIGNALS) process.once(signal, onSignal)
  try {
    return await run((isOn) => writeFileSync(FILE, isOn ? ON : OFF), stop.signal)
  } finally {
    restore()
    for (const signal of SIGNALS) process.off(signal, onSignal)
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
