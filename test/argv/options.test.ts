import t from 'tap'
import { findOption, OPTIONS } from '../../src/argv/options.js'

const names = OPTIONS.map(({ name }) => name)

/** `10.2` before `9.1` is a mistake that text comparison makes. */
const release = (version: string) => {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major * 100 + minor
}

t.test('every option is there once', async (t) => {
  t.strictSame(
    names.filter((name, index) => names.indexOf(name) !== index),
    [],
  )
  t.ok(names.length >= 160, `${names.length} options`)
})

t.test('names have no dash in front', async (t) => {
  for (const name of names) t.match(name, /^[A-Za-z0-9][\w-]*$/, name)
})

t.test('options stand in alphabetical order, so that one is easy to find', async (t) => {
  const sorted = [...names].sort((a, b) => {
    const [left, right] = [a.toLowerCase(), b.toLowerCase()]
    return left === right ? 0 : left < right ? -1 : 1
  })
  t.strictSame(names, sorted)
})

t.test('a flag has neither argument, keys, JSON nor help', async (t) => {
  for (const option of OPTIONS) {
    const isFlag = option.syntax === 'flag'
    t.equal(option.takesArgument, !isFlag, option.name)
    if (isFlag) t.strictSame([option.impliedKey, option.json, option.help], [undefined, undefined, undefined])
  }
})

t.test('only keyval arguments have an implied key or JSON', async (t) => {
  const odd = OPTIONS.filter(
    ({ syntax, impliedKey, json }) => syntax !== 'keyval' && (impliedKey !== undefined || json === true),
  )
  t.strictSame(odd, [])
})

t.test('JSON is what these options take', async (t) => {
  t.strictSame(
    OPTIONS.filter(({ json }) => json === true).map(({ name }) => name),
    ['audiodev', 'blockdev', 'compat', 'device', 'display', 'incoming', 'netdev', 'object'],
  )
})

t.test('an option is removed after it came', async (t) => {
  for (const { name, since, removed } of OPTIONS) {
    for (const version of [since, removed]) if (version !== undefined) t.match(version, /^\d+\.\d+$/, name)
    if (since !== undefined && removed !== undefined) t.ok(release(since) < release(removed), name)
    if (since !== undefined) t.ok(release(since) > release('4.2'), `${name}: 4.2 and before need no since`)
  }
})

t.test('an alias is like what it stands for', async (t) => {
  const aliases = OPTIONS.filter(({ aliasOf }) => aliasOf !== undefined)
  t.strictSame(
    aliases.map(({ name, aliasOf }) => [name, aliasOf]),
    [
      ['h', 'help'],
      ['M', 'machine'],
    ],
  )
  for (const { name: _name, aliasOf, ...alike } of aliases) {
    const { name: _original, ...original } = findOption(`-${aliasOf}`) ?? { name: '' }
    t.strictSame(alike, original)
  }
})

t.test('these merge when they are repeated', async (t) => {
  const merging = ['m', 'smp', 'name', 'boot', 'icount', 'rtc', 'action', 'machine', 'M']
  for (const name of merging) t.equal(findOption(`-${name}`)?.repeats, 'merge', name)
})

t.test('an option is found as it is spelled', async (t) => {
  t.strictSame(findOption('-device'), {
    name: 'device',
    takesArgument: true,
    syntax: 'keyval',
    impliedKey: 'driver',
    repeats: 'list',
    json: true,
    help: true,
  })
  t.equal(findOption('--device'), findOption('-device'), 'two dashes are one')
  t.equal(findOption('-S')?.syntax, 'flag')
  t.equal(findOption('-M')?.aliasOf, 'machine')
  t.not(findOption('-d'), findOption('-D'), 'case matters')
})

t.test('what no QEMU has is not found', async (t) => {
  for (const word of [
    '-nope',
    '---device',
    'device',
    '-',
    '--',
    '',
    '-Device',
    '-device=x',
    '-constructor',
  ]) {
    t.equal(findOption(word), null, word)
  }
})
