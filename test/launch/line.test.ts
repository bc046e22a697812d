import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import t from 'tap'
import { encodeBytes } from '../../src/argv/bytes.js'
import type { Word } from '../../src/argv/command-line.js'
import { type Launch, launchLine } from '../../src/launch/line.js'

const line = (emulator: string, words: readonly Word[], positionals: number, more: Partial<Launch> = {}) =>
  launchLine({ chain: [], emulator, words, positionals, unset: [], set: {}, ...more })

t.test('words that were left alone are passed on by position, others are literals', async (t) => {
  const words: Word[] = [
    { text: '-S', position: 1 },
    { text: "it's", position: null },
    { text: 'x', position: 12 },
  ]
  t.equal(line('/usr/bin/q u', words, 12), `exec '/usr/bin/q u' "\${1}" 'it'\\''s' "\${12}"`)
})

t.test('a command line that was left alone is "$@"', async (t) => {
  const words: Word[] = [1, 2].map((position) => ({ text: 'x', position }))
  t.equal(line('/q', words, 2), `exec '/q' "$@"`)
  t.equal(line('/q', words, 3), `exec '/q' "\${1}" "\${2}"`)
  t.equal(line('/q', [], 0), `exec '/q' "$@"`)
})

t.test('sh passes every word as it was, literal or not', async () => {
  const word = fc.string({ unit: 'binary' }).filter((s) => !s.includes('\0') && s.isWellFormed())
  fc.assert(
    fc.property(fc.array(fc.tuple(word, fc.boolean()), { maxLength: 15 }), (given) => {
      const words = given.map(([word, literal], index) => ({
        text: word,
        position: literal ? null : index + 1,
      }))
      const positionals = given.map(([word, literal]) => (literal ? 'replaced' : word))
      const text = line('/usr/bin/printf', [{ text: '%s\\0', position: null }, ...words], words.length)
      const out = execFileSync('sh', [
        '-c',
        'eval "$0"',
        encodeBytes(text).toString(),
        ...positionals,
      ]).toString()
      // printf without arguments prints its format once.
      return given.length === 0 ? out === '\0' : out === given.map(([word]) => `${word}\0`).join('')
    }),
    { numRuns: 50 },
  )
})

t.test('what a shell has added to the environment is unset first', async (t) => {
  t.equal(line('/q', [], 0, { unset: ['PWD', 'SHLVL'] }), `unset PWD SHLVL; exec '/q' "$@"`)
})

t.test('programs that become their command come first, and variables for QEMU before them', async (t) => {
  const chain = [
    ['flock', '-n', '/run/a b.lease'],
    ['taskset', '-c', '0-1'],
  ]
  t.equal(
    line('/q', [], 0, { chain, set: { QEMU_RT_PLAN: `{"name":"it's"}` } }),
    `QEMU_RT_PLAN='{"name":"it'\\''s"}'; export QEMU_RT_PLAN; exec flock '-n' '/run/a b.lease' taskset '-c' '0-1' '/q' "$@"`,
  )
})
