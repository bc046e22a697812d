import { checksJson } from '../../checks/json.js'
import { count, runChecks } from '../../checks/run.js'
import { checksText } from '../../checks/text.js'
import { EXIT } from '../../errors/user-error.js'
import { writeAll } from '../../report/output.js'
import { openTerminal } from '../../status/terminal.js'
import { readSubject, type SubjectOptions } from './subject.js'

export interface HostCheckOptions extends SubjectOptions {
  readonly format: 'text' | 'json'
  /** Whether a warning counts as a failure. */
  readonly strict: boolean
}

/**
 * Judges whether this host is ready for real-time VMs, and prints what is not and how to mend it. It changes nothing.
 * The exit code is 69 when a check fails, with `strict` also when one warns.
 * @throws {UserError} see `readSubject`
 */
export async function hostCheck({ format, strict, ...options }: HostCheckOptions): Promise<void> {
  const subject = await readSubject(options)
  const results = runChecks(subject)
  const text =
    format === 'json'
      ? checksJson(results, subject.sets)
      : checksText(results, openTerminal(process.env).hasColour)
  writeAll(1, text)
  const { fail, warn } = count(results)
  if (fail > 0 || (strict && warn > 0)) process.exitCode = EXIT.unavailable
}
