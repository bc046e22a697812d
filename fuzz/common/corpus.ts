import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The project: the bundle is in dist/, and a test's module in fuzz/common/. */
export const FIXTURES = join(
  import.meta.dirname,
  import.meta.dirname.endsWith('dist') ? '..' : '../..',
  'fixtures',
)

/** Texts of the golden cases' files of a name; empty ones left out. */
export function caseTexts(name: string): string[] {
  const cases = join(FIXTURES, 'cases')
  const texts = readdirSync(cases)
    .sort()
    .flatMap((one) => readIfThere(join(cases, one, name)) ?? [])
  return [...new Set(texts)]
}

export function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
