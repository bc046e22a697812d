import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parsePolicy } from '../../src/config/parse.js'
import { readHostFacts } from '../../src/host/read.js'
import { askOf } from '../../src/plan/ask.js'
import { makePlan } from '../../src/plan/plan.js'
import { readRequest } from '../../src/plan/request.js'
import { QEMU, startQemu } from '../e2e/launch.js'
import { needs } from '../e2e/needs.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const example = readFileSync(`${root}/examples/real-time.toml`, 'utf8')

/** The plan of the example on a host of 16 CPUs, without its huge pages where a real QEMU is to start. */
function plan(args: readonly string[], config = example): string[] {
  const policy = parsePolicy(config, 'real-time.toml')
  const request = readRequest({ entry: 'qemu-rt', args: ['run', '--', ...args], env: {}, hostArch: 'x64' })
  const host = readHostFacts(`${root}/fixtures/hosts/sriov`)
  const ask = askOf(request, policy, { asked: null, record: null })
  return makePlan(request, { policy, host, held: [], ask, record: null }).words.map(({ text }) => text)
}

const GUEST = ['-name', 'plc-1', '-machine', 'q35', '-cpu', 'qemu64', '-smp', '2', '-m', '1G']

t.test('every example is a configuration', async (t) => {
  const examples = readdirSync(`${root}/examples`).filter((name) => name.endsWith('.toml'))
  t.ok(examples.includes('real-time.toml'))
  for (const name of examples) {
    t.doesNotThrow(() => parsePolicy(readFileSync(`${root}/examples/${name}`, 'utf8'), name), name)
  }
})

t.test('the real-time example changes nothing of its own output', async (t) => {
  const once = plan([...GUEST.slice(0, 4), '-cpu', 'host', ...GUEST.slice(6)])
  t.ok(once.includes('host,pmu=off'))
  t.ok(once.includes('mem-lock=on,cpu-pm=on'))
  t.ok(once.includes('q35,memory-backend=pc.ram,mem-merge=off'))
  t.strictSame(plan(once), once)
})

t.test('QEMU takes what the real-time example makes', async (t) => {
  if (!needs(t, [QEMU])) return
  // This machine may have no huge pages of that size, and may not lock memory.
  const config = example.replace(/^(hugepages|lock-memory).*$/gm, '')
  const guest = [...GUEST.slice(0, -1), '64M', '-S']
  const qmp = await startQemu(t, 'qemu', plan(guest, config)).qmp()
  t.match(await qmp.execute('query-status'), { running: false })
  const poolSize = { path: '/objects/qemu-rt-main-loop', property: 'thread-pool-max' }
  t.equal(await qmp.execute('qom-get', poolSize), 8)
})
