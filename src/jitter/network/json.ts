import { lengthsOver, worstRatio } from '../result.js'
import type { NetworkResult } from './result.js'

/** Results for programs; docs/jitter.md describes it. */
export function networkToJson(results: readonly NetworkResult[]): object {
  return {
    version: 1,
    mode: 'network',
    runs: results.map((result) => ({
      ...result,
      roundTripsOver: lengthsOver(result),
    })),
    worstRatio: worstRatio(results),
  }
}
