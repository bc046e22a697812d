import { badLimit } from '../errors/jitter.js'
import { parseDuration } from '../units/duration.js'

/**
 * Reads `--fail-over`.
 * @returns microseconds; null for no limit
 * @throws {UserError} exit 64 for what is no length of time, or beyond what can be measured
 */
export function readLimit(limit: string | undefined): number | null {
  if (limit === undefined) return null
  const microseconds = parseDuration(limit)
  if (microseconds === null || microseconds < 1 || microseconds > 1e9) throw badLimit({ limit })
  return microseconds
}
