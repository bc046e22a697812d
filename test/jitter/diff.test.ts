import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { UserError } from '../../src/errors/user-error.js'
import { compareResults } from '../../src/jitter/diff/compare.js'
import { parseResult, type ReadResult, readResult } from '../../src/jitter/diff/read.js'
import { formatDiff } from '../../src/jitter/diff/text.js'
import { parseDuration } from '../../src/units/duration.js'

const RUN = {
  profile: 'rt',
  accelerator: 'kvm',
  mode: 'timer',
  timer: 'tsc-deadline',
  intervalMicroseconds: 1000,
  vcpus: [{ number: 0 }],
  seconds: 60,
  worstMicroseconds: 80,
  missed: 0,
  histogram: [
    { fromMicroseconds: 4, toMicroseconds: 8, count: 990 },
    { fromMicroseconds: 64, toMicroseconds: 128, count: 10 },
  ],
}

const HOST = {
  kernel: '6.1.0',
  commandLine: 'quiet isolcpus=1',
  cpuModel: 'A CPU',
  microcode: '0x1',
  checks: { counts: { pass: 2 }, notPassed: [{ id: 'kernel.preempt-rt', result: 'fail' }] },
}

const FILE = { version: 2, time: '2026-01-01T00:00:00.000Z', host: HOST, configuration: null, runs: [RUN] }

const read = (value: object): ReadResult => parseResult(JSON.stringify(value), 'a.json')

t.test('what differs in the host and in the result', async (t) => {
  const after = read({
    ...FILE,
    host: {
      ...HOST,
      kernel: '6.12.4-rt',
      commandLine: 'quiet  isolcpus=1-2 nohz_full=1',
      checks: { counts: {}, notPassed: [{ id: 'memory.ksm', result: 'warn' }] },
    },
    configuration: { sha256: 'ab' },
    runs: [
      { ...RUN, profile: null },
      { ...RUN, worstMicroseconds: 20, missed: 3 },
    ],
  })
  const diff = compareResults(read(FILE), after)
  t.strictSame(diff.commandLine, {
    added: ['isolcpus=1-2', 'nohz_full=1'],
    removed: ['isolcpus=1'],
  })
  t.strictSame(diff.checks, [
    { id: 'kernel.preempt-rt', before: 'fail', after: 'pass' },
    { id: 'memory.ksm', before: 'pass', after: 'warn' },
  ])
  t.match(diff, { worstRatio: 4, run: {}, before: { percentiles: { '50': 8, '99': 8, '99.9': 128 } } })
  t.equal(
    formatDiff(diff),
    `Host:
  kernel: 6.1.0 -> 6.12.4-rt
  configuration: none -> ab
  command line: - isolcpus=1
  command line: + isolcpus=1-2
  command line: + nohz_full=1
  check kernel.preempt-rt: fail -> pass
  check memory.ksm: pass -> warn
Run:
                    before   after
  seconds               60      60
  50 % within         8 us    8 us
  99 % within         8 us    8 us
  99.9 % within     128 us  128 us
  99.99 % within    128 us  128 us
  99.999 % within   128 us  128 us
  worst              80 us   20 us
  intervals missed       0       3

Worst: 4.0 times lower than before.
`,
  )
  t.match(formatDiff(compareResults(after, read(FILE))), /\nWorst: 4\.0 times HIGHER than before\.\n$/)
  t.match(formatDiff(compareResults(read(FILE), read(FILE))), /^Host:\n {2}no difference\nRun:\n/)
})

t.test('the worst is told as it differs', async (t) => {
  const worst = (worstMicroseconds: number) => read({ ...FILE, runs: [{ ...RUN, worstMicroseconds }] })
  const cases: [after: number, verdict: string][] = [
    [80, 'the same as before'],
    [80.3, 'the same as before'],
    [82, '3 % HIGHER than before'],
    [72, '10 % lower than before'],
    [120, '1.5 times HIGHER than before'],
    [40, '2.0 times lower than before'],
  ]
  for (const [after, verdict] of cases)
    t.equal(
      formatDiff(compareResults(worst(80), worst(after)))
        .trimEnd()
        .split('\n')
        .at(-1),
      `Worst: ${verdict}.`,
    )
  t.match(formatDiff(compareResults(worst(0), worst(1))), /\nNothing was measured in the first\.\n$/)
  t.match(formatDiff(compareResults(worst(1), worst(0))), /\nNothing was measured in the second\.\n$/)
})

t.test('results of the network are compared with such alone, and of frames of one length', async (t) => {
  const { mode: _, timer: _timer, missed: _missed, ...run } = RUN
  const network = (frameBytes: number) => ({ version: 1, mode: 'network', runs: [{ ...run, frameBytes }] })
  const one = read(network(64))
  t.match(compareResults(one, one), { worstRatio: 1 })
  t.throws(() => compareResults(one, read(FILE)), { message: /: mode network and mode timer; / })
  t.throws(() => compareResults(one, read(network(128))), {
    message: /: frame size 64 bytes and frame size 128 bytes; /,
  })
})

t.test('a result of version 1 is one of a spinning guest on a host that is not known', async (t) => {
  const { profile, accelerator, seconds, worstMicroseconds, histogram } = RUN
  const old = {
    version: 1,
    runs: [{ profile, accelerator, vcpu: { number: 0 }, seconds, worstMicroseconds, histogram }],
    worstRatio: null,
  }
  t.match(read(old), { host: null, runs: [{ mode: 'spin', missed: 0 }] })
  const spin = { ...RUN, mode: 'spin', timer: null, intervalMicroseconds: null }
  const diff = compareResults(read(old), read({ ...FILE, configuration: { sha256: 'ab' }, runs: [spin] }))
  t.strictSame(diff.host, {}, 'what is not known is no difference')
  t.match(formatDiff(diff), /^Host:\n {2}not known: one of the two [^\n]+\nRun:\n/)
})

t.test('what is not comparable is refused with one line', async (t) => {
  const cases: [object, RegExp][] = [
    [{ mode: 'spin' }, /^the results are of different things: mode timer and mode spin; measure both alike$/],
    [{ accelerator: 'tcg' }, /: accelerator kvm and accelerator tcg;/],
    [{ intervalMicroseconds: 250 }, /: interval 1000 us and interval 250 us;/],
  ]
  for (const [other, message] of cases)
    t.throws(() => compareResults(read(FILE), read({ ...FILE, runs: [{ ...RUN, ...other }] })), {
      exitCode: 65,
      message,
    })
})

t.test('what is no result is refused, whatever it is', async (t) => {
  const directory = t.testdir()
  const write = (name: string, text: string) => {
    writeFileSync(join(directory, name), text)
    return join(directory, name)
  }
  mkdirSync(join(directory, 'directory'))
  const cases: [path: string, message: RegExp][] = [
    [join(directory, 'nowhere'), /^a result cannot be read \(ENOENT\): /],
    [join(directory, 'directory'), /^this is not a measurement result \(it is not a file\): /],
    [write('empty', ''), /\(it is not JSON\)/],
    [write('long', ' '.repeat((1 << 20) + 1)), /\(it is longer than 1 MiB\)/],
    [write('new', '{"version": 3}'), /^this result has version 3, newer than version 2 of this qemu-rt: /],
    [write('none', '{"version": 2, "runs": []}'), /\(runs is not what jitter prints\)/],
    [
      write('other', '{}'),
      /\(it has no version\): .*other; name a file that holds what qemu-rt jitter --format json/,
    ],
    [write('half', '{"version": 2, "runs": [{}]}'), /\(it has no runs\.0\.profile\)/],
    [write('word', '"x"'), /\(it is not a JSON object\)/],
    [write('array', '[]'), /^this is not a measurement result/],
    [
      write('negative', JSON.stringify({ ...FILE, runs: [{ ...RUN, seconds: -1 }] })),
      /\(runs\.0\.seconds is not what jitter prints\)/,
    ],
  ]
  for (const [path, message] of cases) t.throws(() => readResult(path), { exitCode: 65, message })
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
      try {
        parseResult(text, 'x')
        return true
      } catch (error) {
        return error instanceof UserError && !error.message.includes('\n')
      }
    }),
  )
})

t.test('lengths of time have a unit', async (t) => {
  t.strictSame(['250us', '1ms', '1.5 ms', '2s', '500ns'].map(parseDuration), [250, 1000, 1500, 2e6, 0.5])
  t.strictSame(
    ['', '1', 'ms', '-1ms', '1e3us', '1m', '1 2us', `${'1'.repeat(40)}us`].map(parseDuration),
    Array(8).fill(null),
  )
})
