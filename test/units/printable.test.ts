import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import t from 'tap'
import { encodeBytes } from '../../src/argv/bytes.js'
import { quoteIfNeeded, splitWords } from '../../src/argv/shell.js'
import { userError } from '../../src/errors/user-error.js'
import { percentilesOf } from '../../src/jitter/percentiles.js'
import { formatJitter } from '../../src/jitter/text.js'
import { formatPlan } from '../../src/report/format.js'
import { formatTable } from '../../src/report/table.js'
import { statusJson } from '../../src/status/json.js'
import { statusOf } from '../../src/status/status.js'
import { statusText } from '../../src/status/text.js'
import {
  isPrintable,
  ownLine,
  printable,
  printableJson,
  printableLines,
  printableMessage,
} from '../../src/units/printable.js'
import { planOf } from '../plan/make.js'
import { snapshot, plan as statusPlan, thread } from '../status/make.js'

/** Of each kind that a terminal, a log or a reader may be fooled by; a lone surrogate stands for a byte that is not UTF-8. */
const HOSTILE = [
  ...['\x00', '\x07', '\b', '\t', '\n', '\r', '\x1b', '\x1b]0;title\x07', '\x7f'],
  ...['\u0080', '\u0085', '\u009b', '\u009d', '\u00ad', '\u061c', '\u115f', '\u180e'],
  ...['\u200b', '\u200d', '\u200e', '\u2028', '\u2029', '\u202a', '\u202e', '\u2060', '\u2066', '\u2069'],
  ...[
    '\u3164',
    '\ufe0f',
    '\ufeff',
    '\ufff9',
    '\udc80',
    '\udcff',
    '\ud800',
    '\u{e0041}',
    '\u{e0100}',
    '\ue000',
  ],
]

/** Named here anew: what is shown must not have them, whatever the project's own list has. */
const OBEYED =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  /[\x00-\x1f\x7f-\x9f\u00ad\u061c\u115f\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\ufff9-\ufffb\ud800-\udfff\ue000]|\ufe0f|[\u{e0000}-\u{e0fff}]/u

const hostile = fc
  .array(fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ unit: 'binary', maxLength: 4 })), { maxLength: 6 })
  .map((parts) => parts.join(''))

/** As a program may have it as an argument: without NUL. */
const argument = hostile.map((text) => text.replaceAll('\0', ''))

const isClean = (text: string) => !OBEYED.test(text)
const linesAreClean = (text: string) => text.split('\n').every(isClean)

t.test('each hostile character is written as ASCII, once', async (t) => {
  for (const text of HOSTILE) {
    const shown = printable(`a${text}b`)
    t.match(shown, /^a[ -~]+b$/)
    t.notOk(isPrintable(text))
    t.equal(printable(shown), shown)
  }
  t.equal(printable('a\x1b[31m\u009b\u202e\n\x7f'), 'a\\x1b[31m\\u{9b}\\u{202e}\\x0a\\x7f')
})

t.test('what can be seen stays as it is', async (t) => {
  for (const text of ['', 'plc-1', 'Fräser 工場 é', 'e\u0301', 'C:\\x1b', '"$(x)"', '😀']) {
    t.equal(printable(text), text)
    t.ok(isPrintable(text))
  }
})

t.test('no text lets anything through', async () => {
  fc.assert(fc.property(hostile, (text) => isClean(printable(text))))
  fc.assert(fc.property(hostile, (text) => linesAreClean(printableLines(text))))
})

t.test('JSON is the same value, with everything in it to be seen', async () => {
  for (const indent of [0, 2]) {
    fc.assert(
      fc.property(hostile, hostile, (key, value) => {
        const json = printableJson([{ [key]: value }], indent)
        return JSON.stringify(JSON.parse(json)) === JSON.stringify([{ [key]: value }]) && linesAreClean(json)
      }),
    )
  }
})

t.test('error lines, tables, plans, results and states of VMs let nothing through', async (t) => {
  const usage = { exitCode: 65 } as const
  fc.assert(
    fc.property(hostile, (text) =>
      isClean(userError({ ...usage, what: text, where: text, todo: text }).message),
    ),
  )
  fc.assert(
    fc.property(hostile, (text) => {
      const table = formatTable([['A'], [text, text], ['b', 'c']])
      return linesAreClean(table) && table.split('\n').length === 4
    }),
  )
  for (const format of ['text', 'args', 'diff', 'json'] as const) {
    fc.assert(
      fc.property(argument, (text) => {
        const plan = planOf(['-name', `guest=${text}`, '-append', text, '-object', `iothread,id=${text}`])
        return linesAreClean(formatPlan(plan, format))
      }),
      { numRuns: 50 },
    )
  }
  fc.assert(
    fc.property(hostile, (text) => {
      const result = {
        profile: text,
        accelerator: 'tcg' as const,
        mode: 'spin' as const,
        timer: null,
        intervalMicroseconds: null,
        vcpu: { number: 0, cpus: text, policy: text, priority: null },
        vcpus: [],
        seconds: 1,
        warmUpSeconds: 1,
        ticksPerMicrosecond: 1,
        worstMicroseconds: 1,
        missed: 0,
        percentiles: percentilesOf([]),
        worstOverTime: { sliceSeconds: 1, microseconds: [] },
        histogram: [{ fromMicroseconds: 1, toMicroseconds: 2, count: 1 }],
        explanations: [text],
      }
      return linesAreClean(formatJitter([result, result]))
    }),
    { numRuns: 50 },
  )
  fc.assert(
    fc.property(hostile, (text) => {
      const vm = {
        pid: 1,
        plan: statusPlan(text, { vcpus: [], iothreads: [{ id: text, cpus: '4' }] }, { profile: text }),
        threads: [thread(1, text, '0'), thread(2, `IO ${text}`, '0')],
        usage: null,
      }
      const status = statusOf(snapshot({ vms: [vm] }), null)
      const lines = statusText(status, { width: 80, heading: null })
      return lines.every((line) => isClean(line.text)) && linesAreClean(statusJson(status, 2))
    }),
    { numRuns: 50 },
  )
  t.pass()
})

t.test('a quoted word has nothing hidden, and is read as it was', async (t) => {
  fc.assert(
    fc.property(fc.array(argument), (words) => {
      const text = words.map(quoteIfNeeded).join(' ')
      const bytes = (all: readonly string[]) => all.map((word) => encodeBytes(word).toString('hex')).join()
      return isClean(text) && bytes(splitWords(text) ?? ['?']) === bytes(words)
    }),
  )
  const words = [...HOSTILE.filter((text) => text !== '\0'), `'it's\x1b $(exit 3) \\\`x\``, '\x1b1', '\x0777']
  for (const shell of [['bash'], ['busybox', 'sh']]) {
    const [program = '', ...rest] = [...shell, '-c', `printf '%s\\0' ${words.map(quoteIfNeeded).join(' ')}`]
    const { status, stdout } = spawnSync(program, rest)
    t.equal(status, 0)
    t.equal(
      stdout.toString('hex'),
      Buffer.concat(words.map((word) => encodeBytes(`${word}\0`))).toString('hex'),
    )
  }
  // dash knows no $'…': nothing of the word may run there.
  const { status, stdout } = spawnSync('dash', [
    '-c',
    `printf '<%s>' ${quoteIfNeeded(`\x1b'$(echo ran)'\``)}`,
  ])
  t.equal(status, 0)
  t.match(stdout.toString(), '<$\\033\\047$(echo ran)\\047`>')
})

t.test('a message that somebody else has made long keeps its beginning and its end', async (t) => {
  const message = (length: number) => `wrong: '${'a'.repeat(length)}'; take it out`
  t.equal(printableMessage(message(8000)), message(8000))
  const cut = printableMessage(message(3_000_000))
  t.match(cut, /^wrong: 'a+ \[… \d+ characters left out …\] a+'; take it out$/)
  t.ok(cut.length <= 8192, `${cut.length}`)
  const [, left = ''] = /(\d+) characters/.exec(cut) ?? []
  t.equal(cut.replace(/ \[.*\] /, '').length + Number(left), message(3_000_000).length, 'the number is right')
  t.equal(printableMessage(cut), cut, 'and it is not cut again')
  t.equal(ownLine(message(3_000_000)), `qemu-rt: ${cut}\n`)
})
