import { gapsOver } from '../result.js'
import type { NetworkResult } from './result.js'

/** Results for programs; docs/jitter.md describes it. */
export function networkToJson(results: readonly NetworkResult[]): object {
  return {
    version: 1,
    mode: 'network',
    runs: results.map((result) => ({
      ...result,
      roundTripsOver: {
        '100us': gapsOver(result, 100),
        '1ms': gapsOver(result, 1000),
        '10ms': gapsOver(result, 10_000),
      },
    })),
    worstRatio: worstRatio(results),
  }
}

/**
 * How many times lower the second run's worst round trip is than the first's.
 * @returns null unless there are two runs in which frames came back
 */
export function worstRatio([first, second]: readonly NetworkResult[]): number | null {
  if (first === undefined || second === undefined) return null
  const ratio = first.worstMicroseconds / second.worstMicroseconds
  return Number.isFinite(ratio) ? ratio : null
}
