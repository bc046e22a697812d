import { existsSync, readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import {
  findOptions,
  mergedValue,
  newOption,
  parseCommandLine,
  placeOf,
  propertiesAt,
  renderWords,
  wordsOf,
} from '../../src/argv/command-line.js'
import { findOption, OPTIONS } from '../../src/argv/options.js'
import { splitWords } from '../../src/argv/shell.js'

const parse = (...texts: string[]) => parseCommandLine(wordsOf(texts))
const shape = (...texts: string[]) =>
  parse(...texts).map((item) =>
    item.kind === 'image' ? [item.word.text] : [item.name, item.argument?.text ?? null],
  )

t.test('an option takes its argument, whatever that looks like', async (t) => {
  t.strictSame(shape('-append', '-version', '-S', '-name', '--rt-nic'), [
    ['append', '-version'],
    ['S', null],
    ['name', '--rt-nic'],
  ])
})

t.test('two dashes are one, -M is -machine, a word without dash is an image', async (t) => {
  t.strictSame(shape('--m', '1G', '-M', 'q35', 'disk.img', '-s'), [
    ['m', '1G'],
    ['machine', 'q35'],
    ['disk.img'],
    ['s', null],
  ])
})

t.test('an unknown option takes the next word unless that is an option', async (t) => {
  t.strictSame(shape('-unknown', 'parameter', '-brand-new', '-S'), [
    ['unknown', 'parameter'],
    ['brand-new', null],
    ['S', null],
  ])
})

t.test('words keep their places in the launcher call, new ones have none', async (t) => {
  const line = [...parse('-S', '-name', 'a'), newOption('device', 'vfio-pci')]
  t.strictSame(
    renderWords(line).map(({ text, position }) => [text, position]),
    [
      ['-S', 1],
      ['-name', 2],
      ['a', 3],
      ['-device', null],
      ['vfio-pci', null],
    ],
  )
})

const anyWord = fc.oneof(
  fc.string(),
  fc.constantFrom(...OPTIONS.map(({ name }) => `-${name}`), '--', '-', '', 'disk.img'),
  fc.stringMatching(/^-{0,2}[a-z,={}":0-9]{0,12}$/),
)

t.test('any words come back in order', async () => {
  fc.assert(
    fc.property(fc.array(anyWord, { maxLength: 30 }), (texts) => {
      const back = renderWords(parseCommandLine(wordsOf(texts)))
      return (
        back.length === texts.length &&
        back.every((word, i) => word.text === texts[i] && word.position === i + 1)
      )
    }),
  )
})

t.test('every argument that can be read comes back as it was', async () => {
  const keyvals = OPTIONS.filter(({ syntax }) => syntax === 'keyval').map(({ name }) => `-${name}`)
  fc.assert(
    fc.property(fc.constantFrom(...keyvals), fc.string(), fc.jsonValue(), (option, text, json) => {
      for (const argument of [text, JSON.stringify({ json })]) {
        const line = parse(option, argument)
        try {
          if (propertiesAt(line, 0).text !== argument) return false
        } catch (error) {
          if (!(error instanceof Error) || error.name !== 'UserError') throw error
        }
      }
      return true
    }),
  )
})

const samples = new URL('../../../shared/libvirt-args/', import.meta.url)
t.test(
  "libvirt's own golden command lines come back",
  { skip: existsSync(samples) ? false : 'the folder of real libvirt command lines is not here' },
  async (t) => {
    for (const file of readdirSync(samples).filter((name) => name.endsWith('.args'))) {
      const words = splitWords(readFileSync(new URL(file, samples), 'utf8')) ?? []
      const args = words.slice(words.findIndex((word) => word.startsWith('/')) + 1)
      const line = parseCommandLine(wordsOf(args))
      t.strictSame(
        renderWords(line).map(({ text }) => text),
        args,
        file,
      )
      for (const [index, item] of line.entries()) {
        if (item.kind !== 'option' || item.spec?.syntax !== 'keyval' || item.argument === null) continue
        t.equal(propertiesAt(line, index).text, item.argument.text, `${file} ${item.word.text}`)
      }
    }
  },
)

t.test('the last value of a merging option counts', async (t) => {
  const line = parse('-machine', 'pc,accel=kvm', '-M', 'type=q35', '-name', 'guest=a,process=b')
  t.equal(mergedValue(line, 'machine', 'type'), 'q35')
  t.equal(mergedValue(line, 'machine', 'accel'), 'kvm')
  t.equal(mergedValue(line, 'name', 'guest'), 'a')
  t.equal(mergedValue(line, 'm', 'size'), undefined)
  t.equal(findOptions(line, 'machine').length, 2)
})

t.test('a malformed argument is said with its option number, images not counted', async (t) => {
  const line = parse('disk.img', '-S', '-device', 'virtio-net-pci,=5')
  t.throws(() => propertiesAt(line, 2), {
    message: "malformed argument 'virtio-net-pci,=5': -device (option 2); a key is missing before '=5'",
    exitCode: 65,
  })
  t.throws(() => propertiesAt(parse('-S', '-object', '{"a"'), 1), {
    message: `malformed argument '{"a"': -object (option 2); not valid JSON: ':' is missing at character 5`,
    exitCode: 65,
  })
  t.throws(() => propertiesAt(parse('-device'), 0), {
    message: 'an option has no argument: -device (option 1); give it one or leave it out',
    exitCode: 65,
  })
  t.strictSame(placeOf(line, 2), { option: '-device', number: 2 })
})

t.test('options are found by spelling, and case matters', async (t) => {
  t.equal(findOption('--device')?.name, 'device')
  t.equal(findOption('-S')?.takesArgument, false)
  t.equal(findOption('-s')?.name, 's')
  t.equal(findOption('-D')?.takesArgument, true)
  t.equal(findOption('-nope'), null)
})
