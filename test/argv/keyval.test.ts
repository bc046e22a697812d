import fc from 'fast-check'
import t from 'tap'
import { keyvalImplied, keyvalPair, parseKeyval, renderKeyval } from '../../src/argv/keyval.js'

const shape = (text: string, impliedKey: string | null) =>
  parseKeyval(text, impliedKey).map(({ key, value, form }) => [key, value, form])

t.test('the first word without = is the value of the implied key, later ones are flags', async (t) => {
  t.strictSame(shape('virtio-net-pci,netdev=hostnet0,disable-legacy', 'driver'), [
    ['driver', 'virtio-net-pci', 'implied'],
    ['netdev', 'hostnet0', 'pair'],
    ['disable-legacy', 'on', 'flag'],
  ])
})

t.test('without an implied key the first word is a flag', async (t) => {
  t.strictSame(shape('timestamp,guest-name=off', null), [
    ['timestamp', 'on', 'flag'],
    ['guest-name', 'off', 'pair'],
  ])
})

t.test('a doubled comma is one comma of the value', async (t) => {
  t.strictSame(shape('guest=a,,b,process=c', 'guest'), [
    ['guest', 'a,b', 'pair'],
    ['process', 'c', 'pair'],
  ])
  t.strictSame(shape('a,,b,process=c', 'guest')[0], ['guest', 'a,b', 'implied'])
})

t.test('three commas are one comma of the value, then the next key', async (t) => {
  t.strictSame(shape('a=b,,,c=d', null), [
    ['a', 'b,', 'pair'],
    ['c', 'd', 'pair'],
  ])
})

t.test('a value may hold equals signs', async (t) => {
  t.strictSame(shape('file=json:{"a":"b=c"}', null), [['file', 'json:{"a":"b=c"}', 'pair']])
})

t.test('any text comes back as it was', async () => {
  const piece = fc.stringMatching(/^[a-z0-9=,."{}: -]{0,12}$/)
  fc.assert(
    fc.property(piece, fc.constantFrom('driver', null), (text, impliedKey) => {
      return renderKeyval(parseKeyval(text, impliedKey)) === text
    }),
  )
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => renderKeyval(parseKeyval(text, 'x')) === text),
  )
})

t.test('any value that is written is read back', async () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (first, second) => {
      const text = renderKeyval([keyvalPair('a', first), keyvalPair('b', second)])
      const [a, b, ...rest] = parseKeyval(text, null)
      return a?.value === first && b?.value === second && rest.length === 0
    }),
  )
})

t.test('an implied value with = in it is written with its key', async (t) => {
  t.equal(keyvalImplied('guest', 'a=b,c').raw, 'guest=a=b,,c')
  t.equal(keyvalImplied('guest', 'a,c').raw, 'a,,c')
})

t.test('an equals sign after a doubled comma is of the implied value', async (t) => {
  t.strictSame(shape('foo,,bar=baz,debug-threads=on', 'guest'), [
    ['guest', 'foo,bar=baz', 'implied'],
    ['debug-threads', 'on', 'pair'],
  ])
  t.strictSame(shape('guest=foo,,bar=baz', 'guest'), [['guest', 'foo,bar=baz', 'pair']])
})
