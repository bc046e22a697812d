import t from 'tap'
import { parsePolicy } from '../../src/config/parse.js'
import { failureOf, within } from './within.js'

const failure = (toml: string) => failureOf(() => parsePolicy(toml, 'q.toml'))

t.test('a configuration is no longer than 1 MiB', async (t) => {
  t.equal(
    within(t, 50, 'length', () => failure(`# ${'x'.repeat(1 << 20)}`)),
    'the configuration is longer than 1 MiB: q.toml; see qemu-rt.toml(5) for what one has (exit 78)',
  )
  t.equal(failure(`# ${'x'.repeat((1 << 20) - 2)}`), 'no failure')
})

t.test('a configuration nests a few tables deep', async (t) => {
  const TOO_DEEP =
    /^the configuration nests deeper than 16 tables and lists: q\.toml(:1:\d+)?; .* \(exit 78\)$/
  for (const toml of [
    `x = ${'['.repeat(100_000)}`,
    `x = ${'['.repeat(30)}${']'.repeat(30)}`,
    `x = ${'{a='.repeat(100_000)}`,
    `x = ${'{a='.repeat(30)}1${'}'.repeat(30)}`,
    `${'a.'.repeat(500_000)}a = 1`,
    `[${'a.'.repeat(50_000)}a]`,
    `[[${'a.'.repeat(17)}a]]`,
  ]) {
    t.match(
      within(t, 1500, toml.slice(0, 20), () => failure(toml)),
      TOO_DEEP,
    )
  }
})

t.test('values of a configuration are counted, before each is looked at', async (t) => {
  const TOO_MANY = /^the configuration has more than 65536 keys and values: q\.toml; .* \(exit 78\)$/
  for (const toml of [
    `x = [${'1,'.repeat(400_000)}]`,
    `x = [${'[],'.repeat(300_000)}]`,
    Array.from({ length: 90_000 }, (_, at) => `a${at}=1`).join('\n'),
    '[[rule]]\n'.repeat(100_000),
  ]) {
    t.match(
      within(t, 2000, toml.slice(0, 20), () => failure(toml)),
      TOO_MANY,
    )
  }
})

t.test('a large configuration is read, and what is wrong in it is found, in seconds', async (t) => {
  const nics = Array.from({ length: 8000 }, (_, at) => `[nic.n${at}]\naddress = "0000:03:00.0"\n`).join('')
  t.equal(
    within(t, 3000, 'nics', () => failure(nics)),
    'no failure',
  )
  t.match(
    within(t, 3000, 'nics, the last wrong', () => failure(`${nics}[nic.last]\nmac = 1\n`)),
    /q\.toml:16002/,
  )
  t.match(
    within(t, 3000, 'all wrong', () => failure(nics.replaceAll('address', 'adress'))),
    /q\.toml:2,/,
  )
})
