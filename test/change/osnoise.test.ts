import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { findTracefs, keepOsnoise, RTLA_INSTANCE, startOsnoise } from '../../src/change/osnoise.js'
import { temporaryDirectory } from '../launcher/launcher.js'

const BEFORE = {
  'osnoise/cpus': '0-3',
  'osnoise/period_us': '1000000',
  'osnoise/runtime_us': '1000000',
  'osnoise/stop_tracing_us': '0',
  'osnoise/stop_tracing_total_us': '0',
  tracing_thresh: '0',
}

/** A directory that looks as the kernel's. */
function tracefs(t: Test) {
  const directory = temporaryDirectory(t)
  mkdirSync(join(directory, 'osnoise'))
  mkdirSync(join(directory, 'instances', 'mine'), { recursive: true })
  const write = (name: string, value: string) => writeFileSync(join(directory, name), `${value}\n`)
  for (const [name, value] of Object.entries(BEFORE)) write(name, value)
  const read = (name: string) => readFileSync(join(directory, name), 'utf8').trimEnd()
  return { directory, write, read }
}

t.test('what rtla has changed is put back, and its buffer goes', async (t) => {
  const { directory, write, read } = tracefs(t)
  const putBack = keepOsnoise(directory, RTLA_INSTANCE)
  for (const name of Object.keys(BEFORE)) write(name, '7')
  mkdirSync(join(directory, 'instances', 'osnoise_top'))
  t.strictSame(putBack(), [])
  t.strictSame(Object.fromEntries(Object.keys(BEFORE).map((name) => [name, read(name)])), BEFORE)
  t.strictSame(readdirSync(join(directory, 'instances')), ['mine'])
})

t.test('a buffer that was there before stays', async (t) => {
  const { directory } = tracefs(t)
  mkdirSync(join(directory, 'instances', 'osnoise_top'))
  t.strictSame(keepOsnoise(directory, RTLA_INSTANCE)(), [])
  t.ok(readdirSync(join(directory, 'instances')).includes('osnoise_top'))
})

t.test('what cannot be put back is told', async (t) => {
  const { directory, write } = tracefs(t)
  write('osnoise/options', 'NO_DEFAULTS OSNOISE_WORKLOAD')
  const putBack = keepOsnoise(directory, RTLA_INSTANCE)
  // A plain file takes the last word alone.
  write('osnoise/options', 'NO_DEFAULTS NO_OSNOISE_WORKLOAD')
  mkdirSync(join(directory, 'instances', 'osnoise_top', 'in-use'), { recursive: true })
  t.strictSame(putBack(), ['osnoise/options', 'instances/osnoise_top'])
  t.strictSame(keepOsnoise(join(directory, 'nowhere'), RTLA_INSTANCE)(), [])
})

t.test('sums of our own: why there are none, and nothing is left', async (t) => {
  const { directory, write, read } = tracefs(t)
  write('osnoise/options', 'NO_DEFAULTS OSNOISE_WORKLOAD')
  write('current_tracer', 'nop')
  const given = { directory, tracers: ['osnoise', 'nop'] }
  const why = (tracers = given) => {
    const started = startOsnoise(tracers, [2, 3], { irq_noise: 'hist:keys=desc' })
    return 'why' in started ? started.why : null
  }
  t.match(why({ ...given, tracers: ['nop'] }), /has no osnoise tracer/)
  // A plain directory has no events in a new trace buffer.
  t.match(why(), /^the kernel refuses it: ENOENT/)
  t.equal(read('osnoise/cpus'), '0-3')
  write('instances/mine/current_tracer', 'timerlat')
  t.match(why(), /^somebody traces already: .*instances\/mine\/current_tracer$/)
  write('instances/mine/current_tracer', 'nop')
  mkdirSync(join(directory, 'instances', 'qemu-rt-jitter', 'events'), { recursive: true })
  t.match(why(), /qemu-rt-jitter is there already; /)
  rmSync(join(directory, 'osnoise', 'options'))
  t.match(why(), /too old: its osnoise tracer has no options/)
})

t.test('where tracefs is', async (t) => {
  const { directory, write } = tracefs(t)
  t.equal(findTracefs(['/nowhere', directory]), null)
  write('available_tracers', 'osnoise nop')
  t.strictSame(findTracefs(['/nowhere', directory]), { directory, tracers: ['osnoise', 'nop'] })
})
