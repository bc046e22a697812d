import t from 'tap'
import { readResult } from '../../matrix/results.js'
import { type Row, textTable, withRows } from '../../matrix/table.js'

const FACTS = 'qemu=10.0.13\nlibvirt=11.3.0\ndpdk=24.11.4\nnode=20.19.2\nnpm=9.2.0\nkernel=6.12.57\n'
const ROW: Row = {
  title: 'Debian 13',
  result: readResult(`${FACTS}suite-status=0\nsuite-passed=6475\nsuite-failed=0\nsuite-skipped=2\n`),
  reasons: ['no huge pages', 'no RT_GROUP_SCHED'],
}

t.test('for a terminal', async (t) => {
  t.equal(
    textTable([ROW]),
    'release    QEMU     libvirt  DPDK     Node     npm    RT kernel  passed    failed  skipped\n' +
      'Debian 13  10.0.13  11.3.0   24.11.4  20.19.2  9.2.0  6.12.57    6475 + -  0 + -   2: no huge pages; no RT_GROUP_SCHED\n',
  )
})

t.test('in a page the row of a release is replaced, and a new one comes last', async (t) => {
  const page =
    'Text.\n\n| release | QEMU |\n| --- | --- |\n| Debian 12 | 7.2 |\n| Debian 13 | 9.9 |\n\nMore.\n'
  const once = withRows(page, [ROW])
  t.match(once, /^Text\.\n\n\| release \| QEMU \| libvirt \|/)
  t.match(once, '| Debian 12 | 7.2 |\n| Debian 13 | 10.0.13 |')
  t.match(once, /\n\nMore\.\n$/)
  t.notMatch(once, /9\.9/)
  t.equal(withRows(once, [ROW]), once)
  t.match(withRows(once, [{ ...ROW, title: 'Debian unstable' }]), /\| Debian 13 .*\n\| Debian unstable /)
  t.throws(() => withRows('no table', [ROW]), /no table of releases/)
})
