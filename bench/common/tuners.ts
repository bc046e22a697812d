import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Waits until no launch's tuner runs any more, which would be in the way of what is measured next. */
export async function tunersEnded(): Promise<void> {
  while (tuners().length > 0) await sleep(2)
}

/** PIDs of the tuners that run. */
export function tuners(): number[] {
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
