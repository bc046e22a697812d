import { join } from 'node:path'
import { createTwoFilesPatch } from 'diff'
import { EXPECTED_FILES, type Outcome, readIfThere } from './case.js'
import { writeExpected } from './write.js'

/**
 * Compares what a case gives with what it expects.
 * @returns one unified diff for each file that differs; none when all is as expected. Where there is an error now, its diff
 *   alone: the lines of a plan that is gone would bury the reason
 */
export function compareCase(directory: string, outcome: Outcome): string[] {
  const files = differingFiles(directory, outcome)
  const isError = files.includes('expected.error') && outcome['expected.error'] !== undefined
  return (isError ? ['expected.error' as const] : files).map((file) =>
    createTwoFilesPatch(file, 'planned now', readIfThere(join(directory, file)) ?? '', outcome[file] ?? ''),
  )
}

/**
 * Writes what a case gives as what it expects from now on.
 * @returns names of the files that changed
 * @throws {UserError} see `writeExpected`
 */
export function updateCase(directory: string, outcome: Outcome): string[] {
  const files = differingFiles(directory, outcome)
  for (const file of files) writeExpected(join(directory, file), outcome[file])
  return files
}

function differingFiles(directory: string, outcome: Outcome) {
  return EXPECTED_FILES.filter((file) => readIfThere(join(directory, file)) !== (outcome[file] ?? null))
}
