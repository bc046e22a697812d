import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { floorRatio, floorSeconds, parseFloorOption } from '../../../src/jitter/floor/floor.js'
import { foldHistogram } from '../../../src/jitter/floor/histogram.js'
import { parseHwnoise } from '../../../src/jitter/floor/hwnoise.js'
import { type FloorRun, measureFloor } from '../../../src/jitter/floor/measure.js'
import { parseCyclictest, parseOslat } from '../../../src/jitter/floor/rt-tests.js'
import { floorHeadline, formatFloor } from '../../../src/jitter/floor/text.js'
import type { Mode } from '../../../src/jitter/mode.js'
import type { Bucket } from '../../../src/jitter/percentiles.js'
import { needs } from '../../e2e/needs.js'
import { temporaryDirectory } from '../../launcher/launcher.js'
import { CYCLICTEST_FILES, HWNOISE_SUMMARY, OSLAT_FILES, OSNOISE_SUMMARY } from './outputs.js'

const rows = (histogram: readonly Bucket[]) =>
  histogram.filter(({ count }) => count > 0).map(({ fromMicroseconds, count }) => [fromMicroseconds, count])

t.test('oslat of each release', async (t) => {
  const read = Object.entries(OSLAT_FILES).map(([, text]) => parseOslat(text))
  t.strictSame(
    read.map((one) => [one?.version, one?.worstMicroseconds, rows(one?.histogram ?? [])]),
    [
      // A key is rounded up: 1 is for what took less than a microsecond.
      [
        '2.40',
        354,
        [
          [0, 1000],
          [1, 3],
          [16, 7],
        ],
      ],
      [
        '2.60',
        353,
        [
          [1, 1000],
          [2, 3],
          [16, 7],
        ],
      ],
      [
        '2.10',
        50_352,
        [
          [0, 1000],
          [512, 7],
        ],
      ],
    ],
  )
})

t.test('cyclictest of each release', async (t) => {
  t.strictSame(
    Object.entries(CYCLICTEST_FILES).map(([name, text]) => {
      const one = parseCyclictest(text)
      return [name, one?.worstMicroseconds, rows(one?.histogram ?? [])]
    }),
    [
      [
        '2.40',
        277,
        [
          [8, 902],
          [256, 1],
        ],
      ],
      // One was later than the histogram is long.
      [
        '2.60',
        50_000,
        [
          [8, 902],
          [8192, 1],
        ],
      ],
      ['2.40 without a histogram', 7912, []],
      ['2.10 without a histogram', 1283, []],
    ],
  )
})

t.test('what is no result is none', async (t) => {
  for (const parse of [parseOslat, parseCyclictest]) {
    for (const text of [
      '',
      '{}',
      '[]',
      'null',
      '{"thread":{"0":{}}}',
      '{"thread":{"0":{"max":"1"}}}',
      '{"thread":',
    ])
      t.equal(parse(text), null, text)
    fc.assert(
      fc.property(fc.json(), (text) => {
        parse(text)
      }),
    )
    fc.assert(
      fc.property(fc.json(), (text) => {
        parse(`{"thread":{"0":{"max":3,"histogram":${text}}}}`)
      }),
    )
  }
  for (const text of ['', 'CPU Period', OSNOISE_SUMMARY]) t.equal(parseHwnoise(text, 1), null)
})

t.test('rtla hwnoise: the row of the CPU', async (t) => {
  t.strictSame(parseHwnoise(HWNOISE_SUMMARY, 1), {
    worstMicroseconds: 3,
    noiseMicroseconds: 138,
    runtimeMicroseconds: 7_500_000,
    hardware: 4,
    nmi: 74,
  })
  t.match(parseHwnoise(HWNOISE_SUMMARY, 11), { worstMicroseconds: 61_000 })
  t.equal(parseHwnoise(HWNOISE_SUMMARY, 2), null)
})

t.test('a histogram that is folded has all samples, in few rows', async () => {
  const bucket = fc.record({ fromMicroseconds: fc.nat(1e6), count: fc.nat(1000) })
  fc.assert(
    fc.property(fc.array(bucket), (given) => {
      const folded = foldHistogram(given.map((one) => ({ ...one, toMicroseconds: one.fromMicroseconds + 1 })))
      const sum = (all: readonly { count: number }[]) => all.reduce((total, { count }) => total + count, 0)
      return (
        sum(folded) === sum(given) &&
        folded.length <= 22 &&
        folded
          .slice(1)
          .every(({ fromMicroseconds }, index) => fromMicroseconds === folded[index]?.toMicroseconds)
      )
    }),
  )
})

t.test('how long the host is measured, and the ratio', async (t) => {
  t.strictSame(['auto', 'none', '2', '86400'].map(parseFloorOption), ['auto', 'none', 2, 86_400])
  for (const text of ['', '1', '86401', '1e3', '-5', '5s', 'Auto'])
    t.equal(parseFloorOption(text), null, text)
  t.equal(floorSeconds('none', 10), null)
  t.equal(floorSeconds('auto', 10), 10)
  t.equal(floorSeconds('auto', 86_400), 60, 'not for a day unasked')
  t.equal(floorSeconds(3600, 10), 3600)
  const host = (worstMicroseconds: number) => ({ version: null, worstMicroseconds, histogram: [] })
  t.equal(floorRatio(45, host(30)), 1.5)
  t.equal(floorRatio(3, host(0)), 3, 'a host below what its program can tell')
  t.equal(floorRatio(3, null), null)
})

const RUN: FloorRun = {
  mode: 'spin',
  placement: { cpu: 1, otherCpu: 0, policy: 'fifo', priority: 3 },
  seconds: 2,
  intervalMicroseconds: 500,
  guestMicroseconds: 708,
  isIsolated: false,
}

/** Directory with a program that writes down its arguments and this result. */
function fake(t: Test, name: string, script: string): string {
  const directory = join(temporaryDirectory(t), 'bin')
  mkdirSync(directory)
  writeFileSync(join(directory, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  return directory
}

function writing(t: Test, name: string, result: string) {
  const file = join(temporaryDirectory(t), 'result')
  writeFileSync(file, result)
  const asked = join(temporaryDirectory(t), 'asked')
  const script = `echo "$*" >${asked}\nfor one; do case $one in --json=*) cp ${file} "\${one#--json=}";; esac; done`
  return {
    path: fake(t, name, script),
    asked: () => readFileSync(asked, 'utf8').replace(/--json=\S+/, '--json=F'),
  }
}

t.test('the host is measured as the vCPU ran', async (t) => {
  const oslat = writing(t, 'oslat', OSLAT_FILES['2.40'])
  const floor = await measureFloor({ ...RUN, path: oslat.path })
  t.match(floor, {
    seconds: 2,
    cpu: 1,
    policy: 'fifo',
    priority: 3,
    ratio: 2,
    host: { tool: 'oslat', version: '2.40' },
  })
  t.equal(
    oslat.asked(),
    '--cpu-list 1 --cpu-main-thread 0 --duration 2 --quiet --bucket-size 1024 --json=F --rtprio 3\n',
  )
  t.equal(floorHeadline(floor), "2.0 times the host's 354 us")
  t.equal(formatFloor(floor)[0], 'host without a VM (oslat on CPU 1, fifo 3, 2 s): worst 354 us')

  const cyclictest = writing(t, 'cyclictest', CYCLICTEST_FILES['2.40'])
  const placement = { ...RUN.placement, policy: 'other', priority: 0 }
  const slept = await measureFloor({ ...RUN, mode: 'timer', placement, path: cyclictest.path })
  t.match(slept, { policy: 'other', host: { tool: 'cyclictest', worstMicroseconds: 277 } })
  t.equal(
    cyclictest.asked(),
    '--affinity=1 --mainaffinity=0 --threads=1 --quiet --duration=2 --interval=500 --histogram=10000 --json=F --policy=other --default-system\n',
  )
})

t.test('what is missing, fails or writes nonsense is said', async (t) => {
  const why = async (path: string, mode: Mode = 'spin') => {
    const floor = await measureFloor({ ...RUN, mode, path })
    t.match(floor, { host: null, ratio: null })
    t.equal(floorHeadline(floor), null)
    return formatFloor(floor)[0]
  }
  const nothing = temporaryDirectory(t)
  t.equal(await why(nothing), 'not measured: oslat: oslat is not installed; install the package rt-tests')
  t.equal(
    await why(nothing, 'timer'),
    'not measured: cyclictest: cyclictest is not installed; install the package rt-tests',
  )
  t.equal(
    await why(fake(t, 'oslat', 'printf "ERROR: no right\\nERROR:\\n" >&2; exit 3')),
    'not measured: oslat: exit code 3: no right',
  )
  t.equal(await why(fake(t, 'oslat', 'kill -9 $$')), 'not measured: oslat: SIGKILL: it said nothing')
  t.equal(
    await why(fake(t, 'oslat', 'exit 0')),
    'not measured: oslat: it has written no result that is understood',
  )
})

/** A run on an isolated CPU of a kernel that has the tracer, with an rtla that does this. */
function withRtla(t: Test, script: string, tracers = 'osnoise nop') {
  const tracefs = temporaryDirectory(t)
  writeFileSync(join(tracefs, 'available_tracers'), `${tracers}\n`)
  mkdirSync(join(tracefs, 'osnoise'))
  writeFileSync(join(tracefs, 'osnoise', 'cpus'), '0-3\n')
  const run = { ...RUN, isIsolated: true, path: fake(t, 'rtla', script), tracing: ['/nowhere', tracefs] }
  return { run, cpus: () => readFileSync(join(tracefs, 'osnoise', 'cpus'), 'utf8').trimEnd(), tracefs }
}

t.test('rtla hwnoise, and why there is none', async (t) => {
  const file = join(temporaryDirectory(t), 'summary')
  writeFileSync(file, HWNOISE_SUMMARY)
  const { run } = withRtla(t, `echo "$*" >${file}.asked; cat ${file}`)
  const { hardware, notMeasured } = await measureFloor(run)
  t.match(hardware, { worstMicroseconds: 3, hardware: 4 })
  t.notOk(notMeasured.some(({ tool }) => tool.startsWith('rtla')))
  t.equal(
    readFileSync(`${file}.asked`, 'utf8'),
    'hwnoise --quiet --cpus 1 --house-keeping 0 --threshold 1 --duration 2s\n',
  )
  const why = async (given: Pick<FloorRun, 'isIsolated' | 'path' | 'tracing'>) =>
    (await measureFloor({ ...RUN, ...given })).notMeasured.find(({ tool }) => tool === 'rtla hwnoise')?.why
  t.equal(
    await why(withRtla(t, 'echo "  usage: rtla COMMAND ..." >&2; exit 1').run),
    'this rtla is too old: it has no hwnoise (Linux 6.1’s has none, 6.12’s has it)',
  )
  t.equal(await why(withRtla(t, 'echo cannot >&2; exit 1').run), 'exit code 1: cannot')
  t.equal(await why(withRtla(t, 'exit 0').run), 'it has printed no row that is understood')
  t.match(await why(withRtla(t, 'exit 0', 'hwlat nop').run), /has no osnoise tracer/)
  t.match(await why({ ...run, tracing: ['/nowhere'] }), /tracers cannot be read/)
  t.match(await why({ ...run, isIsolated: false }), /CPU 1, which is not isolated/)
  t.match(await why({ ...run, path: temporaryDirectory(t) }), /^rtla is not installed/)
})

t.test('an rtla that leaves tracing changed does not leave it so', async (t) => {
  const { run, cpus, tracefs } = withRtla(t, '')
  const { path } = withRtla(t, `echo 1 >${join(tracefs, 'osnoise', 'cpus')}; kill -9 $$`).run
  await measureFloor({ ...run, path })
  t.equal(cpus(), '0-3')
})

for (const mode of ['spin', 'timer'] as const) {
  t.test(`the real program for ${mode}`, async (t) => {
    if (!needs(t, [{ spin: 'oslat', timer: 'cyclictest' }[mode]])) return
    if (process.getuid?.() !== 0 || cpus().length < 2) {
      t.pass('this needs root and two CPUs', { skip: 'this needs root and two CPUs' })
      return
    }
    // Best effort, so that it cannot disturb the other tests.
    const placement = { cpu: 1, otherCpu: 0, policy: 'other', priority: 0 }
    const floor = await measureFloor({ ...RUN, mode, placement })
    const reason =
      floor.notMeasured.find(({ tool }) => tool === 'oslat' || tool === 'cyclictest')?.why ?? null
    t.equal(reason, null)
    const { worstMicroseconds = 0, histogram = [], version = null } = floor.host ?? {}
    t.ok(worstMicroseconds > 0, `${worstMicroseconds} us`)
    t.match(version, /^\d+\.\d+/)
    const last = histogram.at(-1)
    t.ok(
      last !== undefined && last.count > 0 && last.fromMicroseconds <= worstMicroseconds + 1,
      'its histogram',
    )
  })
}
