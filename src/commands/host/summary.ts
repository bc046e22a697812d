import { count, runChecks } from '../../checks/run.js'
import type { CheckSummary } from '../../jitter/host.js'
import { readSubject } from './subject.js'

/**
 * Judges this host as `host check` does, in short.
 * @param profile null for every profile of the configuration
 * @throws {UserError} see `readSubject`
 */
export async function summarizeChecks(
  config: string | undefined,
  profile: string | null,
): Promise<CheckSummary> {
  const subject = await readSubject({
    ...(config === undefined ? {} : { config }),
    ...(profile === null ? {} : { profile }),
    sysroot: '/',
  })
  const results = runChecks(subject)
  const notPassed = results.filter(({ level }) => level !== 'pass')
  return { counts: count(results), notPassed: notPassed.map(({ id, level }) => ({ id, result: level })) }
}
