import { UserError } from '../../src/errors/user-error.js'
import { ownLine } from '../../src/units/printable.js'
import type { Target } from './target.js'

/** What an input may take of the processor's time, in milliseconds. */
const LIMIT_MS = 250

/** What the heap may grow by, with one input. */
const LIMIT_BYTES = 256 << 20

/**
 * What a terminal, journald or libvirt's log would obey, but for the newline: C0, C1, what turns the direction of writing or
 * has no width (Cf), separators of lines, and bytes that are no UTF-8, which a lone surrogate stands for.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const CONTROL = /[\x00-\x09\x0b-\x1f\x7f-\x9f\p{Cf}\p{Cs}\u2028\u2029]/u

/** @returns what is wrong with how a target takes an input; null when nothing is */
export function judge(target: Target, input: readonly string[]): string | null {
  const start = performance.now()
  const problem = problemOf(target, input)
  // Asking the kernel for the processor's time and memory takes longer than most inputs.
  if (problem !== null || performance.now() - start < LIMIT_MS / 5) return problem
  // A collector that ran just then, a compiler, another process: what is slow is so again.
  const costs = [costOf(target, input), costOf(target, input)]
  const ms = Math.min(...costs.map((cost) => cost.ms))
  const bytes = Math.min(...costs.map((cost) => cost.bytes))
  if (ms > LIMIT_MS) return `takes ${Math.round(ms)} ms, at most ${LIMIT_MS}`
  return bytes > LIMIT_BYTES ? `takes ${bytes >> 20} MiB, at most ${LIMIT_BYTES >> 20}` : null
}

function costOf(target: Target, input: readonly string[]): { readonly ms: number; readonly bytes: number } {
  const memory = process.memoryUsage.rss()
  const start = process.cpuUsage()
  problemOf(target, input)
  const { user, system } = process.cpuUsage(start)
  return { ms: (user + system) / 1000, bytes: process.memoryUsage.rss() - memory }
}

function problemOf(target: Target, input: readonly string[]): string | null {
  try {
    const { lines = [], texts = [] } = target.take(input) ?? {}
    const line = lines.find((one) => !isOneLine(one))
    if (line !== undefined) return `this is not one line: ${excerpt(line)}`
    const text = texts.find((one) => CONTROL.test(one))
    return text === undefined ? null : `a terminal would obey this: ${excerpt(text)}`
  } catch (error) {
    if (!(error instanceof UserError)) return describe(error)
    if (error.message === '') return 'an error says nothing'
    const line = ownLine(error.message)
    return isOneLine(line) ? null : `an error is not one line: ${excerpt(line)}`
  }
}

function isOneLine(line: string): boolean {
  return line.indexOf('\n') === line.length - 1 && !CONTROL.test(line)
}

/** Where it is: the text may be long. */
function excerpt(text: string): string {
  const at = Math.max(0, text.search(CONTROL) - 20)
  return JSON.stringify(text.slice(at, at + 40))
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return `throws ${String(error)}`
  const place = /\((?:.*\/)?([^()/]+:\d+):\d+\)/.exec(error.stack ?? '')?.[1]
  return `${error.name}: ${error.message.slice(0, 200)}${error.name === 'Fault' || place === undefined ? '' : ` (${place})`}`
}
