import t from 'tap'
import { MAX_SECTIONS, MalformedReadConfig, parseReadConfig } from '../../src/argv/read-config.js'
import { within } from '../bounds/within.js'

/** Group, line and argument of each section. */
const read = (text: string) =>
  parseReadConfig(text).map(({ group, lineNumber, argument }) => `${lineNumber} ${group}: ${argument}`)

t.test('sections with and without an id, and their values', async (t) => {
  t.strictSame(
    read(
      '# comment\n\n[machine]\n  type = "q35"\n\n[device "net0"]\n  driver = "e1000e"\n  mac="x"\n'.replace(
        '="',
        ' = "',
      ),
    ),
    ['3 machine: type=q35', '6 device: id=net0,driver=e1000e,mac=x'],
  )
})

// What QEMU 7.2, 10.0 and 11.1 do with each was tried.
t.test('blanks and quotes as sscanf takes them', async (t) => {
  t.strictSame(
    read('[ device "a" ]\n'),
    ['1 device: id=a'],
    'blanks within the brackets of a group with an id',
  )
  t.strictSame(read('[ machine ]\n'), ['1  machine : '], 'and of one without: no such group')
  t.strictSame(read('[a]\n\tk\v=\f"v" rest\r\n'), ['1 a: k=v'], 'what comes after the value does not count')
  t.strictSame(read('[a]\nk = "a\\"b"\n'), ['1 a: k=a\\'], 'nothing escapes a quote')
  t.strictSame(read('[a]\nk = "a,b=c"\n'), ['1 a: k=a,,b=c'], 'a comma of a value is doubled')
  t.strictSame(read('[a]\nk = "open'), ['1 a: k=open'], 'no end of value, file')
  t.strictSame(read('[a]\nk = "open\n'), ['1 a: k=open\n'], 'the newline is of the value then')
  t.strictSame(read('[a]\nk = ""\nl\n# m\n  # n\n'), ['1 a: k=,l=,#='], 'a word alone is an empty value')
  t.strictSame(read('[a]\nk = "1"\nk = "2"\n'), ['1 a: k=2'], 'the last value counts')
  t.strictSame(read('[a "x"]\nid = "y"\n'), ['1 a: id=y'], 'id is a key as others')
  t.strictSame(read('[a "x"]\n [b "y"]\n'), ['1 a: id=x,[b='], 'a section begins in the first column')
  t.strictSame(read(`[a "${'i'.repeat(70)}"]\n`), [`1 a: id=${'i'.repeat(63)}`], 'a long id is cut off')
  t.strictSame(read('[a\n'), ['1 a\n: '], 'no end of group: no such group')
  t.strictSame(read('[a]\nk = "\udc80ä"\n'), ['1 a: k=\udc80ä'], 'bytes that are not UTF-8 stay')
})

t.test('what QEMU refuses, and what would be read as another key', async (t) => {
  const refused: readonly [string, number, RegExp][] = [
    ['[a]\n   \n', 2, /a line of blanks/],
    ['[a]\n\r\n', 2, /a line of blanks/],
    ['[a]\n\0\n', 2, /a line of blanks/],
    ['k = "v"\n', 1, /a key before the first section/],
    ['[]\n', 1, /a key before the first section/],
    ['[a]\nk="v"\n', 2, /'k="v"' is not a key; write: key = "value"/],
    ['[a]\nk,l = "v"\n', 2, /'k,l' is not a key/],
    ['[a]\n'.repeat(MAX_SECTIONS + 1), MAX_SECTIONS + 1, /more than 4096 sections/],
  ]
  for (const [text, lineNumber, message] of refused) {
    t.throws(() => parseReadConfig(text), { message, lineNumber })
  }
})

t.test('a large file is read in a short time', async (t) => {
  const size = 1 << 20
  for (const piece of ['#\n', 'k = "', '[a "b', ' ', 'kk\n', '\0', '" = "', 'x = "y"\n']) {
    const text = `[a]\n${piece.repeat(Math.floor(size / piece.length))}`
    within(t, 2000, JSON.stringify(piece), () => {
      try {
        parseReadConfig(text)
      } catch (error) {
        if (!(error instanceof MalformedReadConfig)) throw error
      }
    })
  }
})
