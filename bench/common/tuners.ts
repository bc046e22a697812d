import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Longer than a tuner waits for a VM. */
const PATIENCE_MS = 90_000

/**
 * Waits until no launch's tuner runs any more, which would be in the way of what is measured next.
 * @throws {Error} when one does not end
 */
export async function tunersEnded(): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  for (let running = tuners(); running.length > 0; running = tuners()) {
    if (performance.now() > deadline) throw new Error(`a tuner does not end: PID ${running.join(', ')}`)
    await sleep(2)
  }
}

/** PIDs of the tuners that run. */
function tuners(): number[] {
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger)
  return pids.filter((pid) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      return words.includes('tuner') && words.some((word) => /\/qemu-rt(-planner|\.mjs)$/.test(word))
    } catch {
      return false
    }
  })
}
