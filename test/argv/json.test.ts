import fc from 'fast-check'
import t from 'tap'
import { parseJsonObject } from '../../src/argv/json.js'

t.test('members have their places in the text', async (t) => {
  const text =
    '{ "driver" : "vfio-pci", "addr":"0x2", "n": 18446744073709551615, "list":[1,{"a":2}], "on":true, "x":null}'
  const { members, end } = parseJsonObject(text)
  t.strictSame(
    members.map(({ key, value }) => [key, value.kind, value.text]),
    [
      ['driver', 'string', 'vfio-pci'],
      ['addr', 'string', '0x2'],
      ['n', 'number', '18446744073709551615'],
      ['list', 'nested', '[1,{"a":2}]'],
      ['on', 'boolean', 'true'],
      ['x', 'null', 'null'],
    ],
  )
  t.strictSame(
    members.map(({ keyStart, keyEnd, valueStart, valueEnd }) => [
      text.slice(keyStart, keyEnd),
      text.slice(valueStart, valueEnd),
    ])[2],
    ['"n"', '18446744073709551615'],
  )
  t.equal(text[end], '}')
})

t.test("QEMU's single-quoted strings are read", async (t) => {
  const { members } = parseJsonObject(`{'driver':'it\\'s "x"','b':"\\u0041\\n"}`)
  t.strictSame(
    members.map(({ key, value }) => [key, value.text]),
    [
      ['driver', `it's "x"`],
      ['b', 'A\n'],
    ],
  )
})

t.test('what JSON.stringify writes is read with the same members', async () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom(0, 1, 2), (object, indent) => {
      const { members } = parseJsonObject(JSON.stringify(object, null, indent))
      const read = members.map(({ key, value }) => [
        key,
        value.kind === 'string' ? value.text : JSON.parse(value.text),
      ])
      return JSON.stringify(read) === JSON.stringify(Object.entries(object))
    }),
  )
})

for (const [text, message] of [
  ['{', /string is missing at character 2/],
  ['{"a"}', /':' is missing at character 5/],
  ['{"a":}', /value is missing at character 6/],
  ['{"a":1,}', /string is missing at character 8/],
  ['{"a":"b}', /string is missing at character 6/],
  ['{"a":1 "b":2}', /',' or '\}' is missing at character 8/],
  ['{"a":1}x', /text after the object at character 8/],
  ['{"a":"\\x"}', /bad escape at character 6/],
  ['{"a":01}', /',' or '\}' is missing at character 7/],
  [`{"a":${'['.repeat(2000)}`, /nested too deeply/],
] as const) {
  t.test(`${text.slice(0, 20)} is refused with the place`, async (t) => {
    t.throws(() => parseJsonObject(text), { message })
  })
}
