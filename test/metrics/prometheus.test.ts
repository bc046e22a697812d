import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { exposition } from '../../src/metrics/exposition.js'
import { FAMILIES, type Family, type FamilyName, type Sample } from '../../src/metrics/families.js'
import { needs } from '../e2e/needs.js'

const EXAMPLES = fileURLToPath(new URL('../../examples/prometheus', import.meta.url))

/** One sample of each family, with a name that has to be escaped. */
const EVERY = (Object.entries(FAMILIES) as [FamilyName, Family][]).map(
  ([family, { labels }]): Sample => ({ family, labels: labels.map(() => 'plc "1"\\\n'), value: 1 }),
)

const promtool = (args: readonly string[], input = '') =>
  spawnSync('promtool', args, { encoding: 'utf8', input, cwd: EXAMPLES })

t.test("Prometheus' own check has nothing to say of any family", async (t) => {
  if (!needs(t, ['promtool'])) return
  const text = await exposition(EVERY)
  t.match(promtool(['check', 'metrics'], text), { status: 0, stdout: '', stderr: '' })
  t.equal(text.match(/^# TYPE /gm)?.length, EVERY.length)
  t.not(promtool(['check', 'metrics'], text.replaceAll('_total', '')).stderr, '', 'and it can')
})

t.test('a terminal that shows the metrics obeys nothing in a name', async (t) => {
  const text = await exposition([
    { family: 'missing', labels: ['a\u001b[2J\u009b31m\u202e\u2028b'], value: 1 },
    { family: 'missing', labels: ['plc "1"\\'], value: 2 },
  ])
  t.match(text, '{domain="a\\\\x1b[2J\\\\u{9b}31m\\\\u{202e}\\\\u{2028}b"} 1\n')
  t.match(text, '{domain="plc \\"1\\"\\\\"} 2\n')
})

t.test('the rules of the examples alarm when they should', async (t) => {
  if (!needs(t, ['promtool'])) return
  t.match(promtool(['check', 'rules', 'qemu-rt.rules.yml']), { status: 0 })
  const { status, stdout, stderr } = promtool(['test', 'rules', 'qemu-rt.rules.test.yml'])
  t.equal(status, 0, stdout + stderr)
})

t.test('examples and documentation speak of families that there are, and of each', async (t) => {
  const names = new Set<string>(Object.values(FAMILIES).map(({ name }) => name))
  for (const file of ['qemu-rt.rules.yml', 'grafana-dashboard.json']) {
    const used = readFileSync(join(EXAMPLES, file), 'utf8').match(/\bqemu_rt_\w+/g) ?? []
    t.strictSame(
      used.filter((name) => !names.has(name)),
      [],
      file,
    )
  }
  const docs = readFileSync(fileURLToPath(new URL('../../docs/metrics.md', import.meta.url)), 'utf8')
  for (const { name, labels, kind } of Object.values<Family>(FAMILIES)) {
    const braces = labels.length === 0 ? '' : `{${labels.join(',')}}`
    t.match(docs, `| \`${name}${braces}\` | ${kind} |`, name)
  }
})

/** A port that nobody has at the moment. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  return address !== null && typeof address === 'object' ? address.port : 0
}

/** Starts a program until the test ends. */
function start(t: Test, program: string, args: readonly string[]) {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr.on('data', (data) => {
    log += data
  })
  const ended = once(child, 'exit')
  t.teardown(async () => {
    child.kill()
    await ended
  })
  return () => log
}

async function eventually<T>(what: () => Promise<T | null>, log: () => string): Promise<T> {
  for (let tries = 0; tries < 300; tries++) {
    const found = await what().catch(() => null)
    if (found !== null) return found
    await sleep(100)
  }
  throw new Error(`nothing came: ${log()}`)
}

t.test('a real node_exporter offers the file, and a real Prometheus has the values', async (t) => {
  if (!needs(t, ['prometheus', 'prometheus-node-exporter'])) return
  const root = t.testdir({ textfile: { 'qemu-rt.prom': await exposition(EVERY) }, data: {} })
  const [exporter, server] = [await freePort(), await freePort()]
  const exporterLog = start(t, 'prometheus-node-exporter', [
    `--web.listen-address=127.0.0.1:${exporter}`,
    '--collector.disable-defaults',
    '--collector.textfile',
    `--collector.textfile.directory=${join(root, 'textfile')}`,
  ])
  const scraped = await eventually(async () => {
    const text = await (await fetch(`http://127.0.0.1:${exporter}/metrics`)).text()
    return text.includes('qemu_rt_up') ? text : null
  }, exporterLog)
  t.match(scraped, /^node_textfile_scrape_error 0$/m)
  t.match(scraped, /^qemu_rt_vm_info\{domain="plc \\"1\\"\\\\\\n",/m, 'escaped once')
  writeFileSync(
    join(root, 'prometheus.yml'),
    `scrape_configs:\n- job_name: node\n  scrape_interval: 200ms\n  scrape_timeout: 200ms\n  static_configs:\n  - targets: ['127.0.0.1:${exporter}']\n`,
  )
  const serverLog = start(t, 'prometheus', [
    `--config.file=${join(root, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(root, 'data')}`,
    `--web.listen-address=127.0.0.1:${server}`,
  ])
  const query = encodeURIComponent('count(count by (__name__) ({__name__=~"qemu_rt_.*"}))')
  const count = await eventually(async () => {
    const answer = await (await fetch(`http://127.0.0.1:${server}/api/v1/query?query=${query}`)).text()
    return /"value":\[[\d.]+,"(\d+)"\]/.exec(answer)?.[1] ?? null
  }, serverLog)
  t.equal(count, String(EVERY.length))
})
