import { formatCpuSet } from '../units/cpu-set.js'
import { printableJson } from '../units/printable.js'
import type { Sets } from './check.js'
import { count, type Result } from './run.js'

/** Writes results as docs/host-check.md describes it. */
export function checksJson(results: readonly Result[], sets: Sets): string {
  const json = {
    version: 1,
    cpus: { realtime: formatCpuSet(sets.realtime), housekeeping: formatCpuSet(sets.housekeeping) },
    summary: count(results),
    checks: results.map((result) => ({
      id: result.id,
      group: result.group,
      severity: result.severity,
      result: result.level,
      applies: result.applies,
      look: result.look,
      found: result.what,
      wanted: result.wanted,
      why: result.why,
      fix: result.todo ?? null,
      fixedBy: result.fixedBy,
      tunedProfile: result.tunedProfile,
      source: result.source,
    })),
  }
  return `${printableJson(json, 2)}\n`
}
