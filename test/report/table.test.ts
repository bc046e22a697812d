import t from 'tap'
import { formatTable } from '../../src/report/table.js'
import { cut, displayWidth } from '../../src/report/width.js'

t.test('columns stand below each other on a terminal, whatever script a name is in', async (t) => {
  const names = ['plc', '機械', 'é', 'e\u0301', '한국', '🦀', 'ﾊﾟ']
  const lines = formatTable(names.map((name) => [name, '|']))
    .trimEnd()
    .split('\n')
  // By hand: 2 columns for a Han or Hangul character and for an emoji, 1 for a halfwidth one, none for a mark.
  const blanks = [3, 2, 5, 5, 2, 4, 4]
  t.strictSame(
    lines,
    names.map((name, index) => `${name}${' '.repeat(blanks[index] ?? 0)}|`),
  )
})

t.test('what is cut takes no more columns than there are', async (t) => {
  for (const [text, width, expected] of [
    ['機械', 4, '機械'],
    ['機械', 3, '機…'],
    ['機械', 2, '…'],
    ['abc', 1, '…'],
    ['abc', 0, ''],
    ['e\u0301e\u0301e\u0301', 2, 'e\u0301…'],
  ] as const) {
    t.equal(cut(text, width), expected, `${text} in ${width}`)
    t.ok(displayWidth(cut(text, width)) <= width)
  }
})
