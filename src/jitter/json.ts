import type { JitterHost } from './host.js'
import { type JitterResult, lengthsOver, worstRatio } from './result.js'

/** What is said of the whole command beside its runs. */
export interface Circumstances {
  readonly host: JitterHost
  /** SHA-256 of the configuration that the profile is of; null for best effort alone. */
  readonly configuration: string | null
  /** Microseconds that the worst must not be above; null for no limit. */
  readonly limit: number | null
  readonly time: Date
}

/** As long as no key of version 1 goes or means something else, a reader of that can read this. */
export const JSON_VERSION = 2

/** Results for programs; docs/jitter.md describes it. */
export function jitterToJson(
  results: readonly JitterResult[],
  { host, configuration, limit, time }: Circumstances,
): object {
  return {
    version: JSON_VERSION,
    time: time.toISOString(),
    host,
    configuration: configuration === null ? null : { sha256: configuration },
    failOver: limit === null ? null : { microseconds: limit, exceeded: isOver(results, limit) },
    runs: results.map((result) => ({
      ...result,
      gapsOver: lengthsOver(result),
    })),
    worstRatio: worstRatio(results),
  }
}

/**
 * Whether the worst is above a limit: of the last run, for best effort beside a profile is what that is compared with.
 * @param limit microseconds
 */
export function isOver(results: readonly JitterResult[], limit: number): boolean {
  return (results.at(-1)?.worstMicroseconds ?? 0) > limit
}
