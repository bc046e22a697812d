import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import t from 'tap'
import { quote, quoteIfNeeded, splitWords } from '../../src/argv/shell.js'

const word = fc.string({ unit: 'binary' }).filter((text) => !text.includes('\0') && text.isWellFormed())

t.test('sh reads a quoted word as it was', async () => {
  fc.assert(
    fc.property(word, (text) => {
      return execFileSync('sh', ['-c', `printf '%s.' ${quote(text)}`]).toString() === `${text}.`
    }),
    { numRuns: 40 },
  )
})

t.test('quoted words are split again', async () => {
  const plain = word.filter((text) => !text.includes('\\\n'))
  fc.assert(
    fc.property(fc.array(plain), (words) => {
      const text = words.map(quoteIfNeeded).join(' \\\n')
      return JSON.stringify(splitWords(text)) === JSON.stringify(words)
    }),
  )
})

t.test('words are split as sh does', async (t) => {
  t.strictSame(splitWords(`a  'b c' "d \\"e\\" $f" g\\ h i'j'"k" ''\n`), [
    'a',
    'b c',
    'd "e" $f',
    'g h',
    'ijk',
    '',
  ])
  t.strictSame(splitWords('-device vfio-pci,\\\nhost=x \\\n-S'), ['-device', 'vfio-pci,host=x', '-S'])
  t.equal(splitWords("a 'b"), null)
  t.equal(splitWords('a "b\\"'), null)
})
