import { EXIT } from '../errors/user-error.js'
import { caseName, findCases, runCase } from '../golden/case.js'
import { compareCase, updateCase } from '../golden/compare.js'
import { writeAll } from '../report/output.js'
import { printable, printableLines } from '../units/printable.js'

/** Checks golden cases and prints a diff for each that is not as expected. Exit 65 when one is not. */
export function goldenVerify(directories: readonly string[]): void {
  const results = findCases(directories).map((directory) => {
    const differences = compareCase(directory, runCase(directory))
    if (differences.length > 0)
      writeAll(1, printableLines(`FAIL ${caseName(directory)}\n${differences.join('')}`))
    return differences.length === 0
  })
  const passed = results.filter(Boolean).length
  writeAll(1, `${passed} passed, ${results.length - passed} failed\n`)
  if (passed < results.length) process.exitCode = EXIT.input
}

/** Rewrites what golden cases expect and prints which files changed, for a person to read the difference. */
export function goldenUpdate(directories: readonly string[]): void {
  for (const directory of findCases(directories)) {
    const files = updateCase(directory, runCase(directory))
    if (files.length > 0) writeAll(1, `updated ${printable(caseName(directory))}: ${files.join(', ')}\n`)
  }
}
