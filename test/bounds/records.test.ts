import { writeFileSync } from 'node:fs'
import t from 'tap'
import { parseInventory } from '../../src/host/inventory-format.js'
import { readProc, readProcBytes } from '../../src/host/proc.js'
import { parseObject } from '../../src/record/untrusted-json.js'
import { parseLease, parseVm } from '../../src/record/vm.js'
import { failureOf, within } from './within.js'

t.test('a JSON object of outside is bounded in length, depth and number of values', async (t) => {
  const nested = (depth: number) => `{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`
  t.ok(parseObject(nested(16)), 'depth')
  t.equal(parseObject(nested(17)), null, 'depth')
  t.ok(parseObject(`{"a":"${'x'.repeat(130_000)}"}`))
  t.equal(parseObject(`{"a":"${'x'.repeat(131_072)}"}`), null)
  t.ok(parseObject(`{"a":[${'0,'.repeat(16_000)}0]}`))
  t.equal(parseObject(`{"a":[${'0,'.repeat(20_000)}0]}`), null)
  for (const text of [nested(500_000), '['.repeat(5_000_000), '{"a":'.repeat(1_000_000)]) {
    t.equal(
      within(t, 50, text.slice(0, 6), () => parseObject(text)),
      null,
    )
  }
})

t.test('a plan with CPUs that no kernel has says nothing of CPUs, and is read in a short time', async (t) => {
  const cpus = Array(6000).fill('0-999999').join(',')
  const plan = { version: 1, id: 'launch-1', lease: { nics: [], cpus }, threads: { emulator: { cpus } } }
  const read = within(t, 100, 'plan', () => parseVm(JSON.stringify(plan)))
  t.match(read, { lease: { cpus: [] }, threads: { emulator: { cpus: null } } })
})

t.test('what is not text stays so, whatever it says of itself', async (t) => {
  const strange: unknown[] = [{ toString: 1 }, { toString: 'x', valueOf: 'y' }, ['0000:03:00.0'], null, 5]
  t.strictSame(parseLease({ nics: [...strange, '0000:03:00.1'], cpus: strange[0] }), {
    nics: ['0000:03:00.1'],
    cpus: [],
  })
  const asking = (nics: object) => ({ version: 1, id: 'launch-1', asked: { nics } })
  const request = asking({ add: strange })
  const replacing = asking({ replace: { hostdev0: strange[0], __proto__: null } })
  for (const one of [request, replacing]) {
    t.equal(
      failureOf(() => parseVm(JSON.stringify(one))),
      'no failure',
    )
  }
})

t.test('a saved inventory is bounded', async (t) => {
  const inventory = (devices: string) => `{"version":1,"devices":[${devices}]}`
  t.equal(parseInventory(`${inventory('')}${' '.repeat(16 << 20)}`), 'it is longer than 16 MiB')
  t.equal(parseInventory(inventory(`${'0,'.repeat(65_536)}0`)), 'it has more than 65536 devices')
  t.match(
    within(t, 500, 'depth', () => parseInventory('['.repeat(1_000_000))),
    /^it is not valid JSON/,
  )
  t.equal(parseInventory(inventory('['.repeat(100_000) + ']'.repeat(100_000))), 'devices[0] is not an object')
})

t.test('of what a process shows in /proc no more is read than a kernel takes', async (t) => {
  const path = `${t.testdir({ environ: '' })}/environ`
  writeFileSync(path, `A=${'x'.repeat((6 << 20) - 2)}`)
  t.equal(readProc(path)?.length, 6 << 20, 'all of it')
  writeFileSync(path, `A=${'x'.repeat(6 << 20)}`)
  t.equal(readProc(path), null, 'more')
  t.equal(
    within(t, 200, 'without end', () => readProc('/dev/zero')),
    null,
  )
  t.match(readProc('/proc/self/stat'), /^\d+ \(/)
  t.equal(readProcBytes('/proc/self/nothing'), null)
})
