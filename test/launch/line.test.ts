import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import t from 'tap'
import { encodeBytes } from '../../src/argv/bytes.js'
import type { Word } from '../../src/argv/command-line.js'
import { launchLine } from '../../src/launch/line.js'

t.test('words that were left alone are passed on by position, others are literals', async (t) => {
  const words: Word[] = [
    { text: '-S', position: 1 },
    { text: "it's", position: null },
    { text: 'x', position: 12 },
  ]
  t.equal(launchLine('/usr/bin/q u', words, 12), `exec '/usr/bin/q u' "\${1}" 'it'\\''s' "\${12}"`)
})

t.test('a command line that was left alone is "$@"', async (t) => {
  const words: Word[] = [1, 2].map((position) => ({ text: 'x', position }))
  t.equal(launchLine('/q', words, 2), `exec '/q' "$@"`)
  t.equal(launchLine('/q', words, 3), `exec '/q' "\${1}" "\${2}"`)
  t.equal(launchLine('/q', [], 0), `exec '/q' "$@"`)
})

t.test('sh passes every word as it was, literal or not', async () => {
  const text = fc.string({ unit: 'binary' }).filter((s) => !s.includes('\0') && s.isWellFormed())
  fc.assert(
    fc.property(fc.array(fc.tuple(text, fc.boolean()), { maxLength: 15 }), (given) => {
      const words = given.map(([word, literal], index) => ({
        text: word,
        position: literal ? null : index + 1,
      }))
      const positionals = given.map(([word, literal]) => (literal ? 'replaced' : word))
      const line = launchLine('/usr/bin/printf', [{ text: '%s\\0', position: null }, ...words], words.length)
      const out = execFileSync('sh', [
        '-c',
        'eval "$0"',
        encodeBytes(line).toString(),
        ...positionals,
      ]).toString()
      // printf without arguments prints its format once.
      return given.length === 0 ? out === '\0' : out === given.map(([word]) => `${word}\0`).join('')
    }),
    { numRuns: 50 },
  )
})

t.test('what a shell has added to the environment is unset first', async (t) => {
  t.equal(launchLine('/q', [], 0, ['PWD', 'SHLVL']), `unset PWD SHLVL; exec '/q' "$@"`)
})
