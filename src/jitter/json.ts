import { gapsOver, type JitterResult } from './result.js'
import { worstRatio } from './text.js'

/** Results for programs; docs/jitter.md describes it. */
export function jitterToJson(results: readonly JitterResult[]): object {
  return {
    version: 1,
    runs: results.map((result) => ({
      ...result,
      gapsOver: {
        '100us': gapsOver(result, 100),
        '1ms': gapsOver(result, 1000),
        '10ms': gapsOver(result, 10_000),
      },
    })),
    worstRatio: worstRatio(results),
  }
}
