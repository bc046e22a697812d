import type { Test } from 'tap'

/**
 * Runs something and checks what of the processor's time it took, which other processes of a busy machine do not change.
 * @returns what it gave
 */
export function within<T>(t: Test, milliseconds: number, name: string, run: () => T): T {
  const before = process.cpuUsage()
  const result = run()
  const { user, system } = process.cpuUsage(before)
  const took = (user + system) / 1000
  t.ok(took < milliseconds, `${name}: ${took.toFixed(1)} ms, at most ${milliseconds}`)
  return result
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
