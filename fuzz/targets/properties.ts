import { decodeBytes, encodeBytes } from '../../src/argv/bytes.js'
import { parseKeyval, renderKeyval } from '../../src/argv/keyval.js'
import { MalformedArgument, parseProperties } from '../../src/argv/properties.js'
import { quote, splitWords } from '../../src/argv/shell.js'
import { mutate } from '../common/mutate.js'
import { must, type Target } from '../common/target.js'

const TEXTS = [
  'vfio-pci,host=nic:fieldbus0,id=hostdev0,romfile=/a,,b',
  '{"driver":"vfio-pci","host":"0000:03:00.1","id":"hostdev0","bus":"pci.1"}',
  '{\'a\':{\'b\':[1,2,{"c":null}]} , \'d\' : 1.5e3,"e":"\\u00e4\\n"}',
  'guest=a,debug-threads=on,nofoo,,',
  'q35,accel=kvm,memory-backend=pc.ram,sgx-epc.0.memdev=m',
]
const KEYS = ['id', 'host', 'a.b', 'driver', 'a', '__proto__', 'debug-threads', 'foo']

/** Arguments of options: nothing is lost, an edit changes what it names and nothing else. */
export const properties: Target = {
  name: 'properties',
  title: 'keyval and JSON arguments, words of sh, bytes',
  make: (random) => [
    mutate(random, random.pick(TEXTS), TEXTS),
    random.pick(KEYS),
    random.once(3) ? mutate(random, 'value', TEXTS) : 'value',
  ],
  take([text = '', key = '', value = '']) {
    must(renderKeyval(parseKeyval(text, 'driver')) === text, 'keyval is not written as it was read')
    must(splitWords(quote(text).replaceAll('\\\n', ''))?.length === 1, 'a quoted word is not one word')
    const bytes = Buffer.from(text, 'latin1')
    must(encodeBytes(decodeBytes(bytes)).equals(bytes), 'bytes are not written as they were read')
    try {
      const before = parseProperties(text, { impliedKey: 'driver', json: true })
      must(before.text === text, 'an argument is not written as it was read')
      const kept = before.keys.filter((one) => one !== key).map((one) => [one, before.get(one)])
      if (key === '') return
      const isolated = kept.filter(([one]) => !`${one}`.startsWith('no') && !key.startsWith(`${one}.`))
      const after = before.set(key, value)
      must(after.get(key) === value, 'a value that was set is another')
      for (const [one, was] of isolated)
        must(after.get(`${one}`) === was, `setting '${key}' changes another key`)
      const without = after.delete(key)
      must(without.get(key) === undefined, 'a key that was deleted is still there')
      for (const [one, was] of isolated)
        must(without.get(`${one}`) === was, `deleting '${key}' changes another key`)
    } catch (error) {
      if (!(error instanceof MalformedArgument)) throw error
    }
  },
}
