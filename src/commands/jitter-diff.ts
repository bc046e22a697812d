import { compareResults } from '../jitter/diff/compare.js'
import { readResult } from '../jitter/diff/read.js'
import { formatDiff } from '../jitter/diff/text.js'
import { writeAll } from '../report/output.js'
import { printableJson } from '../units/printable.js'

/**
 * Compares two results of `jitter --format json`, and prints what differs. The exit code is 0 whether they differ or not.
 * @throws {UserError} exit 65 for a file that cannot be read (77: by this user) or is no result, and for results of different things
 */
export function jitterDiff(
  before: string,
  after: string,
  { format }: { readonly format: 'text' | 'json' },
): void {
  const diff = compareResults(readResult(before), readResult(after))
  writeAll(1, format === 'json' ? `${printableJson({ version: 1, ...diff }, 2)}\n` : formatDiff(diff))
}
