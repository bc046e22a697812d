import t from 'tap'
import { formatCpuMask, parseCpuMask } from '../../src/units/cpu-mask.js'

t.test('masks are sets: leading zeros, groups and case mean nothing', async (t) => {
  for (const text of ['c', '0c', '0x0C', '0000000c', '00000000,0000000c', 'C\n'])
    t.strictSame(parseCpuMask(text), [2, 3], text)
  t.strictSame(parseCpuMask('0'), [])
  t.strictSame(parseCpuMask('1,00000000'), [32])
  t.strictSame(parseCpuMask('80000001,00000000,00000001'), [0, 64, 95])
  t.strictSame(parseCpuMask('100000000'), [32], 'without commas')
})

t.test('what is no mask is none', async (t) => {
  for (const text of ['', ' ', '2-3', 'g', ',1', '1,', '1,,1', '0xx1', '-1', 'f'.repeat(5000), '1,fffffffff'])
    t.equal(parseCpuMask(text), null, text.slice(0, 20))
})

t.test('a mask that is written is read as the same set', async (t) => {
  for (const set of [[], [0], [31], [32], [0, 33, 95], [8191]])
    t.strictSame(parseCpuMask(formatCpuMask(set)), set)
  t.equal(formatCpuMask([0, 1]), '3')
  t.equal(formatCpuMask([32]), '1,00000000')
})
