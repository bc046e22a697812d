import { UserError } from '../../src/errors/user-error.js'
import { printable } from '../../src/units/printable.js'
import type { Target } from './target.js'

/** What an input may take of the processor's time, in milliseconds. */
const LIMIT_MS = 250

/** What the heap may grow by, with one input. */
const LIMIT_BYTES = 256 << 20

/** What a terminal, journald or libvirt's log would obey. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const CONTROL = /[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/

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
    target.take(input)
    return null
  } catch (error) {
    if (!(error instanceof UserError)) return describe(error)
    if (error.message === '') return 'an error says nothing'
    return CONTROL.test(printable(error.message)) ? 'an error has a control character in its line' : null
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return `throws ${String(error)}`
  const place = /\((?:.*\/)?([^()/]+:\d+):\d+\)/.exec(error.stack ?? '')?.[1]
  return `${error.name}: ${error.message.slice(0, 200)}${error.name === 'Fault' || place === undefined ? '' : ` (${place})`}`
}
