import { isatty } from 'node:tty'
import { writeAll } from '../report/output.js'
import { formatMicroseconds } from './microseconds.js'
import type { Progress } from './run.js'

/** Runs a measurement, and says how far it is in the last line of a terminal; where stderr is none, nothing. */
export async function showProgress<Result>(
  seconds: number,
  start: (onProgress?: (progress: Progress) => void) => Promise<Result>,
): Promise<Result> {
  if (!isatty(2) || (process.env.TERM ?? 'dumb') === 'dumb') return start()
  try {
    return await start((progress) => {
      const worst = formatMicroseconds(progress.worstMicroseconds)
      writeAll(2, `\r\x1b[K${progress.seconds.toFixed(0)} of ${seconds} s, worst ${worst}`)
    })
  } finally {
    writeAll(2, '\r\x1b[K')
  }
}
