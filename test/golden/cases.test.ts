import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { caseName, findCases, runCase } from '../../src/golden/case.js'
import { compareCase } from '../../src/golden/compare.js'

const root = fileURLToPath(new URL('../../fixtures/cases', import.meta.url))
const cases = findCases([root])

for (const directory of cases) {
  t.test(`${caseName(directory)} is planned as expected`, async (t) => {
    t.strictSame(compareCase(directory, runCase(directory)), [])
  })
}

t.test('there are cases, error cases among them', async (t) => {
  t.ok(cases.length >= 40, `${cases.length} cases`)
  const errors = cases.filter((directory) => readdirSync(directory).includes('expected.error'))
  t.ok(errors.length >= 10, `${errors.length} error cases`)
})
