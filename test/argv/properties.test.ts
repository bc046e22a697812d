import fc from 'fast-check'
import t from 'tap'
import { parseProperties, parseSwitch } from '../../src/argv/properties.js'

const device = (text: string) => parseProperties(text, { impliedKey: 'driver', json: true })

t.test('one view reads both forms', async (t) => {
  const keyval = device('vfio-pci,host=0000:03:00.1,multifunction=on')
  const json = device('{"driver":"vfio-pci","host":"0000:03:00.1","multifunction":true}')
  for (const key of ['driver', 'host', 'multifunction', 'absent'])
    t.equal(keyval.get(key), json.get(key), key)
  t.strictSame(keyval.keys, json.keys)
})

t.test('the last of a repeated key is read and changed', async (t) => {
  t.equal(device('x,a=1,a=2').get('a'), '2')
  t.equal(device('x,a=1,a=2').set('a', '3').text, 'x,a=1,a=3')
  t.equal(device('{"a":1,"a":2}').set('a', 3n).text, '{"a":1,"a":3}')
})

t.test('a flag without value is on, its short form with no- is off', async (t) => {
  t.equal(device('x,server').get('server'), 'on')
  t.equal(device('x,noserver').get('server'), 'off')
  t.equal(device('x,noserver').set('server', true).text, 'x,server=on')
})

t.test('set touches only what it changes', async (t) => {
  const cases: [string, string, string | boolean | bigint, string][] = [
    ['vfio-pci,host=nic:a,,b,id=hostdev0', 'host', '0000:03:00.1', 'vfio-pci,host=0000:03:00.1,id=hostdev0'],
    ['memory-backend-ram,id=ram', 'driver', 'memory-backend-memfd', 'memory-backend-memfd,id=ram'],
    ['driver=memory-backend-ram,id=ram', 'driver', 'x', 'driver=x,id=ram'],
    ['a,b=1', 'driver', 'k=v', 'driver=k=v,b=1'],
    ['a,,x,b=1', 'new', 'p,q', 'a,,x,b=1,new=p,,q'],
    ['a,', 'b', '1', 'a,b=1'],
    ['', 'b', true, 'b=on'],
    ['{"driver":"a"}', 'share', true, '{"driver":"a","share":true}'],
    ['{ "driver" : "a", "x" : 1.50 }', 'share', true, '{ "driver" : "a", "x" : 1.50, "share" : true }'],
    ['{"size":1e9,"share":false}', 'share', true, '{"size":1e9,"share":true}'],
    [
      '{"size":1,"b":"\\u0041"}',
      'size',
      18446744073709551615n,
      '{"size":18446744073709551615,"b":"\\u0041"}',
    ],
    ['{}', 'a', 'b"c', '{"a":"b\\"c"}'],
    ["{'driver':'a'}", 'driver', 'b', `{'driver':"b"}`],
  ]
  for (const [before, key, value, after] of cases) t.equal(device(before).set(key, value).text, after, before)
})

t.test('setting what is there already changes nothing, however it is written', async (t) => {
  for (const text of ['x,share', 'x,share=on', '{"share":true}', '{"share" :  true }']) {
    t.equal(device(text).set('share', true).text, text)
  }
  t.equal(
    device('{"share":"on"}').set('share', true).text,
    '{"share":true}',
    'a string is no boolean for QEMU',
  )
})

t.test('delete takes a key away and leaves the rest', async (t) => {
  const cases: [string, string, string][] = [
    ['vfio-pci,host=a,id=b', 'host', 'vfio-pci,id=b'],
    ['x,a=1,b=2,a=3', 'a', 'x,b=2'],
    ['vfio-pci,flag', 'driver', 'flag=on'],
    ['{"a":1,"b":2,"c":3}', 'b', '{"a":1,"c":3}'],
    ['{"a":1, "b":2}', 'a', '{"b":2}'],
    ['{"a":1}', 'a', '{}'],
    ['{"a":1,"a":2,"b":3}', 'a', '{"b":3}'],
    ['x,a=1', 'none', 'x,a=1'],
  ]
  for (const [before, key, after] of cases) t.equal(device(before).delete(key).text, after, before)
})

t.test('a key with dots is nested in JSON, also where nothing of it is there yet', async (t) => {
  const set = (text: string) => device(text).set('cache.direct', true).text
  t.equal(set('{"driver":"file"}'), '{"driver":"file","cache":{"direct":true}}')
  t.equal(set('{"driver":"file","cache":{}}'), '{"driver":"file","cache":{"direct":true}}')
  t.equal(device('{}').set('a.b.c', 1n).text, '{"a":{"b":{"c":1}}}')
  t.equal(device('{"driver":"file","cache":{"direct":true}}').get('cache.direct'), 'on')
})

t.test('of a machine - and _ are the same in a key, which stays as it is spelled', async (t) => {
  const machine = (text: string) => parseProperties(text, { impliedKey: 'type', dashes: true })
  t.equal(machine('q35,memory_backend=m').get('memory-backend'), 'm')
  t.equal(machine('q35,memory-backend=m').get('memory_backend'), 'm')
  t.equal(machine('q35,kernel_irqchip=on').set('kernel-irqchip', 'split').text, 'q35,kernel_irqchip=split')
  t.equal(machine('q35,kernel_irqchip=on,usb').delete('kernel-irqchip').text, 'q35,usb')
  t.equal(machine('q35').set('kernel_irqchip', 'split').text, 'q35,kernel_irqchip=split')
  t.equal(
    machine('q35,smp.max_cpus=4').get('smp.max-cpus'),
    undefined,
    'inside of a key QEMU keeps them apart',
  )
  t.equal(device('x,a_b=1').get('a-b'), undefined)
})

t.test('a CPU model has features with a sign', async (t) => {
  const cpu = (text: string) => parseProperties(text, { impliedKey: 'model', dashes: true, signs: true })
  const model = cpu('host,+invtsc,-tsc-deadline,pmu=off')
  t.strictSame(
    ['invtsc', 'tsc-deadline', 'pmu', 'x2apic'].map((key) => model.get(key)),
    ['on', 'off', 'off', undefined],
  )
  t.equal(cpu('host,+pmu,pmu=off').get('pmu'), 'on', 'the sign counts')
  t.equal(cpu('host,-pmu,+pmu').get('pmu'), 'off', 'and minus more than plus')
  t.equal(cpu('host,+sse4_1').get('sse4-1'), 'on')
  t.equal(model.set('invtsc', false).text, 'host,invtsc=off,-tsc-deadline,pmu=off')
  t.equal(cpu('host,+pmu,-pmu,pmu=off').set('pmu', true).text, 'host,pmu=on')
  t.equal(model.delete('tsc-deadline').text, 'host,+invtsc,pmu=off')
  t.equal(device('x,+a').get('a'), undefined)
})

t.test('JSON is not looked for where QEMU takes none', async (t) => {
  t.equal(parseProperties('{"a":1}', { impliedKey: 'type' }).get('type'), '{"a":1}')
})

t.test('malformed arguments say why', async (t) => {
  t.throws(() => device('virtio-net-pci,=5'), { message: "a key is missing before '=5'" })
  t.throws(() => device('{"driver":'), { message: 'not valid JSON: a value is missing at character 11' })
})

t.test('what is set is read back, and other keys keep their values', async () => {
  const key = fc.stringMatching(/^[a-z][a-z0-9-]{0,6}$/)
  const entries = fc.uniqueArray(fc.tuple(key, fc.string()), { selector: ([name]) => name, maxLength: 6 })
  const texts = entries.chain((pairs) =>
    fc.constantFrom(
      ['x', ...pairs.map(([k, v]) => `${k}=${v.replaceAll(',', ',,')}`)].join(','),
      JSON.stringify(Object.fromEntries([['driver', 'x'], ...pairs])),
    ),
  )
  fc.assert(
    fc.property(texts, key, fc.string(), (text, changed, value) => {
      const before = device(text)
      const after = device(before.set(changed, value).text)
      const rest = before.keys.filter((k) => k !== changed && `no${k}` !== changed)
      return after.get(changed) === value && rest.every((k) => before.get(k) === after.get(k))
    }),
  )
})

t.test('switches read as QEMU reads them', async (t) => {
  t.strictSame(['on', 'yes', 'true', 'y'].map(parseSwitch), [true, true, true, true])
  t.strictSame(['off', 'no', 'false', 'n'].map(parseSwitch), [false, false, false, false])
  t.strictSame(['1', undefined, 'ON'].map(parseSwitch), [null, null, null])
})
