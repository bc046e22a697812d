import type { Test } from 'tap'

/** What the yardstick takes on the machines that the limits are written for. */
const YARDSTICK_MS = 60

/**
 * How many times the limit is still no fault. What grows with the square of its input takes hundreds of times as long; the
 * collection of memory can double a time, and a slow machine can double it again.
 */
const SPARE = 5

/**
 * Runs something and checks what of the processor's time it took, which other processes of a busy machine do not change. A
 * limit is for a machine of today; on a slower one, as virtual ones with slow page faults are, it is as much longer as a job of
 * fixed size takes longer there. It finds what grows faster than its input, not what has become somewhat slower: that is for
 * `npm run bench`.
 * @param milliseconds what it takes at most on a machine of today
 * @returns what it gave
 */
export function within<T>(t: Test, milliseconds: number, name: string, run: () => T): T {
  const { result, took } = timed(run)
  const most = SPARE * milliseconds * (took < SPARE * milliseconds ? 1 : slowness())
  t.ok(took < most, `${name}: ${took.toFixed(1)} ms, at most ${most.toFixed(0)}`)
  return result
}

function slowness(): number {
  return Math.max(1, Math.min(...[1, 2, 3].map(() => timed(yardstick).took)) / YARDSTICK_MS)
}

/** Takes memory, makes text and reads it, as what is tested does. */
function yardstick(): number {
  const words = Array.from({ length: 100_000 }, (_, index) => `key ${index}`)
  const read = JSON.parse(JSON.stringify(words)) as string[]
  return read.join('\n').replace(/\d+/g, (digits) => `${digits}.`).length
}

function timed<T>(run: () => T): { readonly result: T; readonly took: number } {
  const before = process.cpuUsage()
  const result = run()
  const { user, system } = process.cpuUsage(before)
  return { result, took: (user + system) / 1000 }
}

/** What somebody would see of a failure: its message with the exit code, or the name of an error that nobody expects. */
export function failureOf(run: () => unknown): string {
  try {
    run()
    return 'no failure'
  } catch (error) {
    const { name, message, exitCode } = error as Error & { exitCode?: number }
    return name === 'UserError' ? `${message} (exit ${exitCode})` : `${name}: ${message}`
  }
}
