import t from 'tap'
import { parseBytes } from '../../src/units/bytes.js'
import { parseCpuMask } from '../../src/units/cpu-mask.js'
import { formatCpuSet, intersectCpuSets, parseCpuSet, subtractCpuSets } from '../../src/units/cpu-set.js'
import { matchesGlob } from '../../src/units/glob.js'
import { withoutEndSlashes } from '../../src/units/path.js'
import { failureOf, within } from './within.js'

const ALL = Array.from({ length: 8192 }, (_, cpu) => cpu)
const EVERY_OTHER = ALL.filter((cpu) => cpu % 2 === 0)

t.test('a list of CPUs has none above 8191', async (t) => {
  t.equal(parseCpuSet('0-8191')?.length, 8192)
  t.strictSame(parseCpuSet('8191,0'), [0, 8191])
  for (const bad of ['8192', '0-8192', '0-999999', '^8192', '999999', '00000000000000000001']) {
    t.equal(parseCpuSet(bad), null, bad)
  }
})

t.test('a list of CPUs is read in a short time, however it is written', async (t) => {
  const lists: [string, string, number | null][] = [
    ['too large numbers', Array(4000).fill('0-999999').join(','), null],
    ['all of them, thousands of times', Array(4000).fill('0-8191').join(','), 8192],
    ['strides', Array(3000).fill('0-8191:2').join(','), 4096],
    ['given and taken', Array(1500).fill('0-8191,^0-8191').join(','), 0],
    ['megabytes', '0,'.repeat(5_000_000), null],
    ['megabytes of blanks', ' '.repeat(10_000_000), null],
    ['blanks within', `0,${' '.repeat(30_000)}1`, 2],
    ['each CPU by itself', EVERY_OTHER.join(','), 4096],
  ]
  for (const [name, list, size] of lists) {
    const cpus = within(t, 200, name, () => parseCpuSet(list))
    t.equal(cpus?.length ?? null, size, name)
  }
})

t.test('sets of 8192 CPUs are compared and written in a short time', async (t) => {
  within(t, 100, 'intersect, subtract and write 20 times', () => {
    for (let round = 0; round < 20; round++) {
      intersectCpuSets(ALL, EVERY_OTHER)
      subtractCpuSets(ALL, EVERY_OTHER)
      formatCpuSet(EVERY_OTHER)
    }
  })
  t.strictSame(intersectCpuSets(ALL, EVERY_OTHER), EVERY_OTHER)
  t.strictSame(parseCpuSet(formatCpuSet(EVERY_OTHER)), EVERY_OTHER)
  t.equal(subtractCpuSets(ALL, EVERY_OTHER).length, 4096)
})

t.test('a mask of CPUs is read in a short time', async (t) => {
  for (const text of ['f'.repeat(5_000_000), '0,'.repeat(2_000_000), '00000000,'.repeat(400)])
    t.equal(
      within(t, 50, 'mask', () => parseCpuMask(text)),
      null,
    )
  t.equal(
    within(t, 50, 'the widest', () => parseCpuMask(Array(256).fill('ffffffff').join(',')))?.length,
    8192,
  )
})

t.test('a size is no longer than sizes are', async (t) => {
  for (const text of ['9'.repeat(5_000_000), `0x${'f'.repeat(5_000_000)}`, `1.${'9'.repeat(5_000_000)}G`]) {
    t.equal(
      within(t, 50, text.slice(0, 4), () => parseBytes(text)),
      null,
    )
  }
  t.equal(parseBytes('00000000000000000001.50000000000000000000G'), 3n << 29n)
})

t.test('a glob is matched in a short time, whatever the text', async (t) => {
  const text = 'a'.repeat(2000)
  const globs = [
    `${'*a'.repeat(30)}b`,
    `${'a?'.repeat(30)}*${'a'.repeat(30)}b`,
    '+(a|aa)b',
    '*(*(a))b',
    '+(+(+(a)))b',
    '!(*a*a*a*b)b',
    '{*a,*aa,*aaa}*{a,b}b',
    '[a-z]*[!b]*[[:alpha:]]*b',
    `${'@(a|aa)'.repeat(50)}b`,
  ]
  for (const glob of globs) t.notOk(within(t, 1000, glob, () => matchesGlob(text, glob)))
  t.ok(within(t, 500, 'a long text', () => matchesGlob('a'.repeat(1_000_000), '*a*a*')))
})

t.test('a glob of any depth or number of alternatives is read without a fault', async (t) => {
  for (const glob of ['@('.repeat(50_000), '{'.repeat(50_000), '{a,b}'.repeat(10_000), '!'.repeat(50_000)]) {
    t.equal(
      failureOf(() => within(t, 1000, glob.slice(0, 8), () => matchesGlob('a', glob))),
      'no failure',
    )
  }
  const nested = `${'@('.repeat(50_000)}a${')'.repeat(50_000)}`
  t.equal(
    failureOf(() => matchesGlob('a', nested)),
    'no failure',
  )
})

t.test('slashes at the end of a path are taken off in a short time', async (t) => {
  const path = `${'/'.repeat(500_000)}a`
  t.equal(
    within(t, 50, 'slashes', () => withoutEndSlashes(path)),
    path,
  )
  t.strictSame(['/', '/a//', 'a', ''].map(withoutEndSlashes), ['', '/a', 'a', ''])
})
