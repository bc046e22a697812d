import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'

function count(t: Test, call: string, log: string): string {
  const path = join(t.testdir({}), 'log')
  writeFileSync(path, log)
  const script = `. test/counts.sh; ${call.replace('LOG', path)}`
  return spawnSync('sh', ['-eu', '-c', script], { encoding: 'utf8' }).stdout
}

t.test('tap leaves out what is nought', async (t) => {
  const log = '# { total: 9, pass: 8, fail: 1 }\n'
  t.equal(count(t, 'suite_count LOG pass', log), '8\n')
  t.equal(count(t, 'suite_count LOG fail', log), '1\n')
  t.equal(count(t, 'suite_count LOG skip', log), '0\n')
  t.equal(count(t, 'suite_count LOG pass', 'it broke\n'), '0\n')
})

t.test('a lab that did not come to its end has failed', async (t) => {
  t.equal(count(t, 'lab_count LOG passed', 'ok 1\n89 passed, 10 failed\n'), '89\n')
  t.equal(count(t, 'lab_count LOG failed', 'ok 1\n89 passed, 10 failed\n'), '10\n')
  t.equal(count(t, 'lab_count LOG failed', 'ok 1\n'), '1\n')
  t.equal(count(t, 'lab_count LOG passed', 'ok 1\n'), '0\n')
})

t.test('what has failed is named, with its file', async (t) => {
  const log = `# Subtest: test/a.test.ts
    ok 1 - it holds # time=1ms
ok 1 - test/a.test.ts # time=2ms
# Subtest: test/b.test.ts
        not ok 1 - should be equal
    not ok 1 - it holds # time=1ms
not ok 2 - test/b.test.ts # time=2ms
`
  t.equal(
    count(t, 'failed_tests LOG', log),
    'in test/b.test.ts\n        not ok 1 - should be equal\n    not ok 1 - it holds\nnot ok 2 - test/b.test.ts\n',
  )
  t.equal(count(t, 'failed_tests LOG', 'ok 1 - bound\nnot ok 2 - free\n'), 'not ok 2 - free\n')
})
