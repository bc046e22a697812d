import t from 'tap'
import { failures, labFailures, readResult, skipReasons } from '../../matrix/results.js'

const TAP = `TAP version 14
# Subtest: test/a.test.ts
    # Subtest: one
        ok 1 - x
        not ok 2 - y
        1..2
    not ok 1 - one # time=3.2ms

    ok 2 - two # SKIP no free huge pages on this host
    ok 3 - three # SKIP no free huge pages on this host
not ok 1 - test/a.test.ts # time=10ms
# Subtest: test/b.test.ts
    ok 1 - four # SKIP this kernel has no RT_GROUP_SCHED
    not ok 2 - timeout!
not ok 2 - test/b.test.ts # time=10ms
# { total: 6, pass: 1, fail: 2, skip: 3 }
`

t.test('what inside.sh leaves', async (t) => {
  const text = 'qemu=7.2.22\nnode=20.20.2\nsuite-status=1\nsuite-passed=9\nsuite-failed=2\nsuite-skipped=1\n'
  t.strictSame(readResult(text), {
    facts: {
      qemu: '7.2.22',
      node: '20.20.2',
      ...{ 'suite-status': '1', 'suite-passed': '9', 'suite-failed': '2', 'suite-skipped': '1' },
    },
    suite: { status: 1, passed: 9, failed: 2, skipped: 1 },
    lab: null,
  })
})

t.test('a part that fails without a failed test counts as one failure', async (t) => {
  t.match(readResult('suite-status=1\nsuite-passed=0\nsuite-failed=0\n').suite, { failed: 1 })
  t.match(readResult('lab-status=124\n').lab, { passed: 0, failed: 1 })
  t.match(readResult('lab-status=0\nlab-passed=89\nlab-failed=0\n').lab, { passed: 89, failed: 0 })
})

t.test('failed tests with their files, and why others were skipped', async (t) => {
  t.strictSame(failures(TAP), ['test/a.test.ts: one: y', 'test/b.test.ts: timeout!'])
  t.strictSame(skipReasons(TAP), ['no free huge pages on this host', 'this kernel has no RT_GROUP_SCHED'])
  t.strictSame(labFailures('ok 1 - a\nnot ok 2 - b is c\r\n# expected: d\n'), ['b is c'])
})
