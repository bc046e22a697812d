import t from 'tap'
import { decodeBytes, encodeBytes } from '../../src/argv/bytes.js'
import { parseProperties } from '../../src/argv/properties.js'
import { planOf } from '../plan/make.js'
import { failureOf, within } from './within.js'

/** As long as one argument can be: MAX_ARG_STRLEN of execve(2). */
const LONGEST = 131_072

t.test('arguments that are no UTF-8 are read in a short time, and are the same afterwards', async (t) => {
  for (const byte of [0x80, 0xe2, 0xf0, 0xff]) {
    const bytes = Buffer.alloc(2_000_000, byte)
    const text = within(t, 1000, `bytes ${byte.toString(16)}`, () => decodeBytes(bytes))
    t.ok(encodeBytes(text).equals(bytes))
  }
})

t.test('JSON nests as deep as QEMU lets it', async (t) => {
  const nested = (depth: number) => `{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`
  t.equal(parseProperties(nested(1024), { json: true }).get('a')?.length, 2046)
  for (const deep of [nested(1025), nested(60_000), `{"a":${'['.repeat(130_000)}`]) {
    t.match(
      failureOf(() => within(t, 500, 'depth', () => parseProperties(deep, { json: true }))),
      /nested too deeply/,
    )
  }
})

t.test('an argument is edited in a time that grows as it does', async (t) => {
  const repeated = (piece: string) => piece.repeat(Math.floor(LONGEST / piece.length))
  const json = (members: string) =>
    parseProperties(`{${members.slice(0, -1)}}`, { impliedKey: 'driver', json: true })
  const many = Array.from({ length: 10_000 }, (_, at) => `"k${at}":1,`).join('')
  t.equal(
    within(t, 1500, 'one key of JSON thousands of times', () => json(repeated('"k":1,')).delete('k').text),
    '{}',
  )
  t.equal(
    within(t, 1500, 'JSON of many keys', () => json(many).set('k5', 2n).delete('k0').keys.length),
    9999,
  )
  const keyval = parseProperties(repeated('k=1,'), { impliedKey: 'driver' })
  t.equal(
    within(t, 1500, 'one key of keyval', () => keyval.delete('k').text),
    '',
  )
  within(t, 1500, 'commas', () =>
    parseProperties(','.repeat(LONGEST), { impliedKey: 'driver' }).set('a', 'b'),
  )
})

t.test('memory that grows is planned in a time that grows with its number of devices', async (t) => {
  const devices = Array.from({ length: 2000 }, (_, at) => [
    ...['-object', `memory-backend-ram,id=m${at},size=4M`],
    ...['-device', `virtio-mem-pci,id=v${at},memdev=m${at},requested-size=2M`],
  ])
  const config = '[profile.rt]\nhugepages = "2M"'
  const args = ['-machine', 'q35,memory-backend=m0', ...devices.flat()]
  const plan = within(t, 2000, 'virtio-mem', () => planOf(args, { config, options: ['--profile', 'rt'] }))
  t.ok(plan.changes.length >= 4000)
})
