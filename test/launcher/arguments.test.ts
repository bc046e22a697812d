import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { launcher, plannerForms, type Start, start, temporaryDirectory } from './launcher.js'

/** Starts the launcher with arguments as bytes: xargs(1) passes them on as they are, which Node cannot. */
async function receivedFor(
  t: Test,
  args: readonly Buffer[],
  options: Partial<Start> & { entry?: string } = {},
) {
  const list = join(temporaryDirectory(t), 'arguments')
  writeFileSync(list, Buffer.concat(args.flatMap((arg) => [arg, Buffer.of(0)])))
  const prefix = ['xargs', '-0', '-x', '-n', '10000', '-s', '1000000', '-a', list, ...(options.prefix ?? [])]
  const outcome = await start(t, launcher(options.entry), { args: [], ...options, prefix })
  t.equal(outcome.stderr, '')
  return outcome.received?.args ?? null
}

const bytes = (...texts: (string | number[])[]) =>
  texts.map((text) => (typeof text === 'string' ? Buffer.from(text) : Buffer.from(text)))

const ODD = bytes(
  ...[
    '',
    ' ',
    '\n',
    'two\nlines\n\n',
    "'",
    '"',
    "it's",
    "''''",
    '\\',
    '\\\\n',
    '$(touch /tmp/x)',
    '`id`',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a shell must not expand it
    '$HOME ${1} $@',
  ],
  ...[
    'a b\tc',
    '*',
    '?[a-z]',
    '~',
    '#',
    ';&|<>',
    '!',
    'é€𝄞',
    '{"a":"b,c"}',
    'x=,,y',
    '\x01\x1b[0m\x7f',
    '%s%n',
  ],
  [0xff],
  [0xc3, 0x28],
  [0xed, 0xa0, 0x80],
  [0xf0, 0x9f, 0x98],
  // dash marks special characters within words by these bytes.
  ...[0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88].map((byte) => [byte, 0x27, byte]),
  Array.from({ length: 255 }, (_, index) => index + 1),
)

/** Within a rewritten argument: every byte but the comma, and what quoting could get wrong. */
const REWRITTEN = [
  Buffer.from(Array.from({ length: 255 }, (_, index) => index + 1).filter((byte) => byte !== 0x2c)),
  Buffer.from(`'it''s' "$(x)" \\'\n`),
]

/** Each word as the argument of an option that takes any text. */
const asArguments = (words: readonly Buffer[]) => words.flatMap((word) => [Buffer.from('-append'), word])
const UNCHANGED = bytes('-name', 'guest=x,debug-threads=on')

const SHELLS = {
  sh: [],
  dash: ['dash'],
  'bash as sh': ['bash', '--posix'],
  'busybox sh': ['busybox', 'sh'],
}

for (const form of plannerForms()) {
  for (const [shell, prefix] of Object.entries(SHELLS)) {
    const options = { env: form.env, prefix }

    t.test(`${form.name}, ${shell}: odd arguments arrive to the byte`, async (t) => {
      const args = [...UNCHANGED, ...asArguments(ODD)]
      t.same(await receivedFor(t, args, options), args)
    })

    t.test(`${form.name}, ${shell}: odd arguments arrive to the byte when the plan adds one`, async (t) => {
      const args = asArguments(ODD)
      t.same(await receivedFor(t, args, options), [...args, ...bytes('-name', 'debug-threads=on')])
    })

    t.test(`${form.name}, ${shell}: an argument that is rewritten keeps its odd bytes`, async (t) => {
      for (const word of REWRITTEN) {
        const args = [Buffer.from('-name'), Buffer.concat([Buffer.from('guest='), word])]
        const expected = [args[0], Buffer.concat([args[1] ?? Buffer.of(), Buffer.from(',debug-threads=on')])]
        t.same(await receivedFor(t, args, options), expected, word.toString('latin1'))
      }
    })
  }

  t.test(`${form.name}: 5,000 arguments arrive`, async (t) => {
    const words = Array.from({ length: 2500 }, (_, index) => Buffer.from(`'argument' $${index}\n`))
    const args = asArguments(words)
    t.same(await receivedFor(t, [...UNCHANGED, ...args], { env: form.env }), [...UNCHANGED, ...args])
    const added = [...args, ...bytes('-name', 'debug-threads=on')]
    t.same(await receivedFor(t, args, { env: form.env }), added)
  })

  t.test(`${form.name}: 'qemu-rt run' passes on what is after --, a later -- too`, async (t) => {
    const args = [...UNCHANGED, ...bytes('-append', '--')]
    const words = [...bytes('run', '--'), ...args]
    t.same(await receivedFor(t, words, { env: form.env, entry: 'qemu-rt' }), args)
  })

  t.test(`${form.name}: any list of arguments arrives to the byte`, async (t) => {
    const word = fc.oneof(
      fc.uint8Array({ min: 1, maxLength: 16 }).map((word) => Buffer.from(word)),
      fc.constantFrom(...ODD),
      fc.string({ unit: 'binary', maxLength: 12 }).map((text) => Buffer.from(text.replaceAll('\0', ''))),
    )
    const check = fc.asyncProperty(
      fc.array(word, { maxLength: 12 }),
      fc.boolean(),
      async (words, changed) => {
        const args = [...(changed ? [] : UNCHANGED), ...asArguments(words)]
        const added = changed ? bytes('-name', 'debug-threads=on') : []
        t.same(await receivedFor(t, args, { env: form.env }), [...args, ...added])
      },
    )
    await fc.assert(check, { numRuns: 25 })
  })
}

t.test('without a guest the arguments arrive to the byte', async (t) => {
  const args = [...bytes('-machine', 'none'), ...asArguments(ODD)]
  for (const prefix of Object.values(SHELLS)) t.same(await receivedFor(t, args, { prefix }), args)
})

t.test('a -readconfig that is a pipe is left for QEMU to read', async (t) => {
  const fifo = join(temporaryDirectory(t), 'fifo')
  execFileSync('mkfifo', [fifo])
  for (const form of plannerForms()) {
    // Nobody writes to it: opening it to read would wait.
    const { received } = await start(t, launcher(), { args: ['-readconfig', fifo], env: form.env })
    t.ok(
      received?.args.some((arg) => arg.toString() === fifo),
      form.name,
    )
  }
})
